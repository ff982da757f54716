//! The ports of one process: messages of 32-bit words that are loaned, written, received and checked in place.

use iceoryx2::port::{publisher::Publisher, subscriber::Subscriber};
use iceoryx2::prelude::*;
use iceoryx2::sample::Sample;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use std::error::Error;
use std::hint::spin_loop;
use std::{fs, io};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A node, whose services have room for so many messages. Its files are under `folder`, its shared memory under that name.
pub struct Link {
    node: Node<ipc::Service>,
    slots: usize,
}

pub struct Sender {
    port: Publisher<ipc::Service, [u32], ()>,
    words: usize,
}

pub struct Receiver {
    port: Subscriber<ipc::Service, [u32], ()>,
}

impl Link {
    pub fn open(folder: &str, slots: usize) -> Outcome<Self> {
        let mut config = Config::default();
        config.global.set_root_path(&Path::new(folder.as_bytes())?);
        config.global.prefix = FileName::new(name_of(folder).as_bytes())?;
        let node = NodeBuilder::new().config(&config).create()?;
        Ok(Self { node, slots })
    }

    /// Messages of so many words; a sender waits where its receiver has no room left.
    pub fn sender(&self, name: &str, words: usize) -> Outcome<Sender> {
        let service = self.service(name)?;
        let builder = service.publisher_builder().initial_max_slice_len(words);
        let port = builder.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered).create()?;
        Ok(Sender { port, words })
    }

    pub fn receiver(&self, name: &str) -> Outcome<Receiver> {
        Ok(Receiver { port: self.service(name)?.subscriber_builder().create()? })
    }

    fn service(&self, name: &str) -> Outcome<PortFactory<ipc::Service, [u32], ()>> {
        let builder = self.node.service_builder(&name.try_into()?).publish_subscribe::<[u32]>();
        let service = builder
            .enable_safe_overflow(false)
            .subscriber_max_buffer_size(self.slots)
            .history_size(0)
            .max_publishers(1)
            .max_subscribers(1)
            .open_or_create()?;
        Ok(service)
    }
}

impl Sender {
    pub fn send_words(&self, sequence: u32) -> Outcome {
        let sample = self.port.loan_slice_uninit(self.words)?;
        let sample = sample.write_from_fn(|word| sequence.wrapping_add(word as u32));
        sample.send()?;
        Ok(())
    }

    pub fn send_ends(&self, sequence: u32) -> Outcome {
        let mut sample = self.port.loan_slice_uninit(self.words)?;
        let payload = sample.payload_mut();
        payload[0].write(sequence);
        payload[self.words - 1].write(last_word(sequence, self.words));
        // SAFETY: the words between are mapped memory that iceoryx2 handed out, and every pattern of bits is a u32; nobody
        // reads them.
        let sample = unsafe { sample.assume_init() };
        sample.send()?;
        Ok(())
    }
}

impl Receiver {
    pub fn expect_words(&self, sequence: u32) -> Outcome {
        let sample = self.receive()?;
        let words = sample.payload();
        let sum = words.iter().fold(0u32, |sum, word| sum.wrapping_add(*word));
        let count = words.len() as u32;
        let expected =
            count.wrapping_mul(sequence).wrapping_add((u64::from(count) * u64::from(count - 1) / 2) as u32);
        if sum == expected { Ok(()) } else { Err("a message has other words".into()) }
    }

    pub fn expect_ends(&self, sequence: u32) -> Outcome {
        let sample = self.receive()?;
        let words = sample.payload();
        let ends = (words.first().copied(), words.last().copied());
        let expected = (Some(sequence), Some(last_word(sequence, words.len())));
        if ends == expected { Ok(()) } else { Err("a message has other ends".into()) }
    }

    /// Spins: the latency of iceoryx2 is measured so by its own benchmark.
    fn receive(&self) -> Outcome<Sample<ipc::Service, [u32], ()>> {
        loop {
            if let Some(sample) = self.port.receive()? {
                return Ok(sample);
            }
            spin_loop();
        }
    }
}

/// Takes away what iceoryx2 leaves behind on purpose: the folder, and a segment that all nodes of a machine share.
pub fn remove_leftovers(folder: &str) -> io::Result<()> {
    fs::remove_dir_all(folder)?;
    for entry in fs::read_dir("/dev/shm")? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(name_of(folder)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The last part of the path; it ends with a line, so that no name of another process begins with it.
fn name_of(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

fn last_word(sequence: u32, words: usize) -> u32 {
    sequence.wrapping_add(words as u32 - 1)
}
