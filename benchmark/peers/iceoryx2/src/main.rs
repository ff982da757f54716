//! Two processes hand messages to each other through iceoryx2's publish-subscribe: loaned, written, received and read in place.
//! Its cases are in `pair.rs`. What iceoryx2 puts into the file system has the name of the place and goes with it.

#[path = "../../../probes/pair.rs"]
mod pair;

use iceoryx2::port::{publisher::Publisher, subscriber::Subscriber};
use iceoryx2::prelude::*;
use iceoryx2::sample::Sample;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use pair::{Case, Ends, Outcome, Transport, check_ends, check_words, last_word, look_until};
use std::{env, fs};

struct Iceoryx;

/// One service for each way.
struct Ports {
    publisher: Publisher<ipc::Service, [u32], ()>,
    subscriber: Subscriber<ipc::Service, [u32], ()>,
    words: u32,
}

fn main() -> Outcome {
    pair::run::<Iceoryx>("shmem-bench-iceoryx2")
}

impl Transport for Iceoryx {
    type Ends<'a> = Ports;

    fn with_ends<T>(
        place: &str,
        leads: bool,
        case: &Case,
        act: impl FnOnce(&mut Ports) -> Outcome<T>,
    ) -> Outcome<T> {
        let folder = env::temp_dir().join(place);
        fs::create_dir_all(&folder)?;
        let folder = folder.to_str().ok_or("the temporary folder has no name in Unicode")?;
        let mut config = Config::default();
        config.global.set_root_path(&Path::new(folder.as_bytes())?);
        config.global.prefix = FileName::new(place.as_bytes())?;
        let node = NodeBuilder::new().config(&config).create()?;
        let (out, input) = if leads { ("there", "back") } else { ("back", "there") };
        let subscriber = service(&node, input, case)?.subscriber_builder().create()?;
        let out = service(&node, out, case)?;
        let builder = out.publisher_builder().initial_max_slice_len(case.words as usize);
        let publisher = builder.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered).create()?;
        act(&mut Ports { publisher, subscriber, words: case.words })
    }

    /// The folder, and a segment that iceoryx2 keeps for all nodes of a prefix.
    fn remove(place: &str) -> Outcome {
        fs::remove_dir_all(env::temp_dir().join(place))?;
        for entry in fs::read_dir("/dev/shm")? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(place) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// A sender waits where its receiver has no room left.
fn service(
    node: &Node<ipc::Service>,
    name: &str,
    case: &Case,
) -> Outcome<PortFactory<ipc::Service, [u32], ()>> {
    let builder = node.service_builder(&name.try_into()?).publish_subscribe::<[u32]>();
    let builder =
        builder.enable_safe_overflow(false).subscriber_max_buffer_size(case.slots as usize).history_size(0);
    Ok(builder.max_publishers(1).max_subscribers(1).open_or_create()?)
}

impl Ports {
    fn receive(&self) -> Outcome<Sample<ipc::Service, [u32], ()>> {
        look_until(|| Ok(self.subscriber.receive()?))
    }
}

impl Ends for Ports {
    fn send_words(&mut self, sequence: u32) -> Outcome {
        let sample = self.publisher.loan_slice_uninit(self.words as usize)?;
        sample.write_from_fn(|word| sequence.wrapping_add(word as u32)).send()?;
        Ok(())
    }

    fn expect_words(&mut self, sequence: u32) -> Outcome {
        check_words(self.receive()?.payload(), sequence)
    }

    fn send_ends(&mut self, sequence: u32) -> Outcome {
        let mut sample = self.publisher.loan_slice_uninit(self.words as usize)?;
        let payload = sample.payload_mut();
        payload[0].write(sequence);
        payload[self.words as usize - 1].write(last_word(sequence, self.words));
        // SAFETY: the words between are mapped memory that iceoryx2 handed out, and every pattern of bits is a u32; nobody
        // reads them.
        let sample = unsafe { sample.assume_init() };
        sample.send()?;
        Ok(())
    }

    fn expect_ends(&mut self, sequence: u32) -> Outcome {
        let sample = self.receive()?;
        let words = sample.payload();
        check_ends(words[0], words[words.len() - 1], self.words, sequence)
    }
}
