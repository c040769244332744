// The processes of a group as threads of one: each has sockets and a store of its own.
#pragma once

#include <arpa/inet.h>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "gpt/parallel/join.h"

namespace gpt::testing {

// A port that was free a moment ago.
inline int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(socket, reinterpret_cast<const sockaddr*>(&address), length);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(socket);
  return ntohs(address.sin_port);
}

// Runs `work` as each of `size` ranks; what each of them threw, "" for nothing.
inline std::vector<std::string> run_ranks(
    int size, const std::function<void(ProcessGroup&)>& work,
    std::chrono::milliseconds timeout = std::chrono::seconds(60), bool shares_memory = true) {
  const int port = free_port();
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      LaunchInfo info;
      info.launcher = "test";
      info.rank = rank;
      info.size = size;
      info.address = "127.0.0.1";
      info.port = port;
      try {
        const auto group = join_processes(info, timeout, shares_memory);
        work(*group);
      } catch (const std::exception& error) {
        errors[static_cast<std::size_t>(rank)] = error.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  return errors;
}

}  // namespace gpt::testing
