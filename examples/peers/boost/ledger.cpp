/**
 * The other side of ledger.ts, with Boost.Interprocess: `mapped_region` over a file or over System V memory, and in it a plain struct with an
 * `interprocess_mutex`, which is a pthread mutex, and atomics.
 *
 *     c++ -O2 -pthread -o ledger examples/peers/boost/ledger.cpp      # ledger.ts starts it
 *
 * `managed_shared_memory` and its like have a layout of their own, which only Boost reads.
 */
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <new>
#include <string>
#include <sys/prctl.h>
#include <thread>

#include <boost/interprocess/file_mapping.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/interprocess/xsi_shared_memory.hpp>

namespace ipc = boost::interprocess;

enum State : std::uint32_t { BLANK, MADE, JOINED };

struct Ledger {
  alignas(64) std::atomic<std::uint32_t> state;
  std::uint32_t entries;
  double sum;
  alignas(64) ipc::interprocess_mutex mutex;
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "an atomic with a lock inside is no such one for others");
static_assert(offsetof(Ledger, entries) == 4 && offsetof(Ledger, sum) == 8 && offsetof(Ledger, mutex) == 64, "ledger.ts has it so");

static ipc::mapped_region map(const std::string &kind, const char *where) {
  if (kind == "file") return {ipc::file_mapping(where, ipc::read_write), ipc::read_write};
  return {ipc::xsi_shared_memory(ipc::open_only, std::atoi(where)), ipc::read_write};
}

int main(int count, char **words) {
  if (count != 3) return std::cerr << "usage: ledger file|xsi <path|identifier>\n", 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL); // Who waits for ever goes with who started it.
  ipc::mapped_region region = map(words[1], words[2]);
  auto *ledger = static_cast<Ledger *>(region.get_address());
  new (&ledger->mutex) ipc::interprocess_mutex;
  ledger->state.store(MADE, std::memory_order_release);
  while (ledger->state.load(std::memory_order_acquire) != JOINED) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  for (int i = 0; i < 1000; i++) {
    ipc::scoped_lock<ipc::interprocess_mutex> held(ledger->mutex);
    ledger->entries += 1;
    ledger->sum += 0.5;
  }
  std::cout << "Boost: 1000 entries in " << region.get_size() << " bytes" << std::endl;
}
