/**
 * Two processes hand messages to each other through Aeron over IPC: claimed, written, and read in place.
 *
 * Reads "<case> <messages> <slots> <message bytes>" a line and answers nanoseconds; its cases are those of `probes/pair.rs`. The
 * partner is the same program again, with the folder of the media driver as its argument, which runs inside of the first.
 */
import io.aeron.Aeron;
import io.aeron.ExclusivePublication;
import io.aeron.Publication;
import io.aeron.Subscription;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.logbuffer.BufferClaim;
import io.aeron.logbuffer.FragmentHandler;
import io.aeron.logbuffer.Header;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.BooleanSupplier;
import org.agrona.DirectBuffer;
import org.agrona.IoUtil;
import org.agrona.MutableDirectBuffer;
import org.agrona.concurrent.BackoffIdleStrategy;

public final class Pair {
  /** Half of a term may be under way: some thousand messages of 64 bytes with their headers, few beside those of a case. Less is slower. */
  private static final String CHANNEL = "aeron:ipc?term-length=1m";
  private static final int THERE = 1;
  private static final int BACK = 2;
  /** Messages that one poll may hand over. */
  private static final int POLL = 64;
  /** Looks until the processor goes to whoever waits for one, as in the probes in C and Rust. */
  private static final int LOOKS = 4096;

  private record Case(String name, int messages, int words) {
    static Case parse(String line) {
      String[] parts = line.trim().split("\\s+");
      if (parts.length != 4) throw new IllegalArgumentException("not a case: " + line);
      return new Case(parts[0], Integer.parseInt(parts[1]), Integer.parseInt(parts[3]) / Integer.BYTES);
    }

    int warmUp() {
      return messages / 10 + 1;
    }

    int total() {
      return warmUp() + messages;
    }

    boolean isPingPong() {
      if (name.equals("ping-pong")) return true;
      if (name.equals("words")) return false;
      throw new IllegalArgumentException("there is no case " + name);
    }
  }

  private final ExclusivePublication out;
  private final Subscription input;
  private final BufferClaim claim = new BufferClaim();
  private final FragmentHandler takeWords = this::takeWords;
  private final FragmentHandler takeEnds = this::takeEnds;
  /** Whether a case runs: who loses its input then has lost the other side. */
  private static volatile boolean isBusy;

  private int words;
  /** Place in the sequence of the message that comes next. */
  private int next;

  private Pair(Aeron aeron, boolean leads) {
    input = aeron.addSubscription(CHANNEL, leads ? BACK : THERE);
    out = aeron.addExclusivePublication(CHANNEL, leads ? THERE : BACK);
    lookUntil(() -> out.isConnected() && input.isConnected());
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments.length == 1) actAsPartner(arguments[0]);
    else lead();
  }

  private static void lead() throws Exception {
    File folder = new File("/dev/shm", "shmem-bench-aeron-" + ProcessHandle.current().pid());
    MediaDriver.Context context = new MediaDriver.Context()
      .aeronDirectoryName(folder.getPath())
      .dirDeleteOnStart(true)
      .dirDeleteOnShutdown(true)
      .threadingMode(ThreadingMode.SHARED)
      // The driver takes no part in what is measured, and must not take a processor from it.
      .sharedIdleStrategy(new BackoffIdleStrategy(1, 1, 1_000_000, 10_000_000));
    BlockingQueue<String> lines = linesOf(System.in);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> IoUtil.delete(folder, true)));
    try (MediaDriver driver = MediaDriver.launch(context); Aeron aeron = connect(folder.getPath())) {
      Process partner = startPartner(folder.getPath());
      try (PrintStream toPartner = new PrintStream(partner.getOutputStream(), true)) {
        Pair pair = new Pair(aeron, true);
        for (String line = lines.take(); !line.isEmpty(); line = lines.take()) {
          Case asked = Case.parse(line);
          toPartner.println(line);
          isBusy = true;
          System.out.printf("%.3f%n", pair.measure(asked));
          isBusy = false;
        }
      }
      partner.waitFor();
    }
  }

  private static void actAsPartner(String folder) throws Exception {
    BlockingQueue<String> lines = linesOf(System.in);
    try (Aeron aeron = connect(folder)) {
      Pair pair = new Pair(aeron, false);
      for (String line = lines.take(); !line.isEmpty(); line = lines.take()) {
        isBusy = true;
        pair.answer(Case.parse(line));
        isBusy = false;
      }
    }
  }

  private static Aeron connect(String folder) {
    return Aeron.connect(new Aeron.Context().aeronDirectoryName(folder).idleStrategy(new BackoffIdleStrategy(1, 1, 1_000_000, 10_000_000)));
  }

  private static Process startPartner(String folder) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElse("java"));
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Pair.class.getName(), folder));
    return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).redirectOutput(ProcessBuilder.Redirect.INHERIT).start();
  }

  /** The lines that come, and an empty one at their end. */
  private static BlockingQueue<String> linesOf(InputStream stream) {
    BlockingQueue<String> lines = new LinkedBlockingQueue<>();
    Thread reader = new Thread(() -> {
      try (BufferedReader from = new BufferedReader(new InputStreamReader(stream))) {
        for (String line = from.readLine(); line != null; line = from.readLine()) lines.add(line);
      } catch (IOException error) {
        System.err.println("probe: " + error);
      }
      if (isBusy) Runtime.getRuntime().exit(1);
      lines.add("");
    });
    reader.setDaemon(true);
    reader.start();
    return lines;
  }

  /** Nanoseconds a message, at the end that receives; in a ping-pong one way. */
  private double measure(Case asked) {
    words = asked.words();
    next = 0;
    long startedNs = 0;
    if (asked.isPingPong()) {
      for (int sequence = 0; sequence < asked.total(); sequence += 1) {
        if (sequence == asked.warmUp()) startedNs = System.nanoTime();
        sendEnds(sequence);
        receive(takeEnds, sequence + 1, 1);
      }
    } else {
      receive(takeWords, asked.warmUp(), POLL);
      startedNs = System.nanoTime();
      receive(takeWords, asked.total(), POLL);
    }
    double tookNs = System.nanoTime() - startedNs;
    return tookNs / asked.messages() / (asked.isPingPong() ? 2 : 1);
  }

  private void answer(Case asked) {
    words = asked.words();
    next = 0;
    for (int sequence = 0; sequence < asked.total(); sequence += 1) {
      if (asked.isPingPong()) {
        receive(takeEnds, sequence + 1, 1);
        sendEnds(sequence);
      } else sendWords(sequence);
    }
  }

  /** Takes messages until so many have come; never more than that. */
  private void receive(FragmentHandler handler, int until, int limit) {
    for (int looks = 1; next < until; looks += 1) {
      if (input.poll(handler, Math.min(limit, until - next)) > 0) continue;
      pause(looks);
    }
  }

  private void sendWords(int sequence) {
    MutableDirectBuffer buffer = claimed();
    int at = claim.offset();
    for (int word = 0; word < words; word += 1) buffer.putInt(at + word * Integer.BYTES, sequence + word);
    claim.commit();
  }

  private void sendEnds(int sequence) {
    MutableDirectBuffer buffer = claimed();
    buffer.putInt(claim.offset(), sequence);
    buffer.putInt(claim.offset() + (words - 1) * Integer.BYTES, sequence + words - 1);
    claim.commit();
  }

  private MutableDirectBuffer claimed() {
    for (int looks = 1; ; looks += 1) {
      long position = out.tryClaim(words * Integer.BYTES, claim);
      if (position > 0) return claim.buffer();
      if (position != Publication.BACK_PRESSURED && position != Publication.ADMIN_ACTION) throw new IllegalStateException("the other end is gone: " + position);
      pause(looks);
    }
  }

  /** Every word, by their sum. */
  private void takeWords(DirectBuffer buffer, int offset, int length, Header header) {
    int sum = 0;
    for (int at = offset; at < offset + length; at += Integer.BYTES) sum += buffer.getInt(at);
    if (length != words * Integer.BYTES || sum != words * next + words * (words - 1) / 2) throw new IllegalStateException("message " + next + " has other words");
    next += 1;
  }

  private void takeEnds(DirectBuffer buffer, int offset, int length, Header header) {
    boolean isRight = buffer.getInt(offset) == next && buffer.getInt(offset + length - Integer.BYTES) == next + words - 1;
    if (length != words * Integer.BYTES || !isRight) throw new IllegalStateException("message " + next + " has other ends");
    next += 1;
  }

  private static void lookUntil(BooleanSupplier isThere) {
    for (int looks = 1; !isThere.getAsBoolean(); looks += 1) pause(looks);
  }

  private static void pause(int looks) {
    if (looks % LOOKS == 0) Thread.yield();
    else Thread.onSpinWait();
  }
}
