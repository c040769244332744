// The network interfaces over which processes could meet.
#pragma once

#include <string>
#include <vector>

namespace gpt {

struct NetworkInterface {
  std::string name;  // "eth0"
  std::string address;
};
// Those that are up and have an address; the loopback is one of them.
std::vector<NetworkInterface> network_interfaces();

}  // namespace gpt
