// Threads whose failure to start is an error of ours: what, why, what to do.
#pragma once

#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace gpt {

// Throws Error: a thread for `purpose` ("reading batches") could not be started.
[[noreturn]] void throw_no_thread(const std::string& purpose, const std::system_error& error);

// `Thread` is std::thread or std::jthread.
template <class Thread, class Work>
Thread start_thread(const std::string& purpose, Work&& work) {
  try {
    return Thread(std::forward<Work>(work));
  } catch (const std::system_error& error) {
    throw_no_thread(purpose, error);
  }
}

// Starts as many threads as `count` at once, and ends them. An Error says how many there may be,
// for libraries (OpenMP) end the process where a thread does not start.
void expect_threads(int count, const std::string& purpose);

}  // namespace gpt
