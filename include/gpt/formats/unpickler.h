// Reads Python's pickle format, protocols 0 to 5, as a data format
// (https://docs.python.org/3.11/library/pickle.html; the opcodes are those of pickletools). A
// pickle is a program that makes objects of any class and calls any function; here it makes none
// and calls none, and what it says of them becomes records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "gpt/formats/pickle_value.h"

namespace gpt {

struct PickleLimits {
  std::uint64_t opcodes = 20'000'000;
  std::uint64_t values = 10'000'000;  // each counted once however often it is referred to
  std::uint64_t memo = 10'000'000;
  std::uint64_t text_bytes = 1u << 30;  // of one text or bytes object
  std::uint64_t depth = 64;             // containers inside containers
};

// dict, OrderedDict, defaultdict, Counter, list, tuple, torch.Size, set, frozenset, str, bytes,
// bool, None, float, int up to 64 bits and numpy's numbers and texts are plain values; all else is
// a PickleObject. Attributes of dicts (OrderedDict's _metadata) are dropped. InputError "ORIGIN:
// byte N: ..." for an opcode that is not known, a value that contains itself (other than through an
// object), a limit passed, or bytes after the end.
PickleTree unpickle(std::span<const std::byte> bytes, const std::string& origin,
                    const PickleLimits& limits = {});

// The pickle that `bytes` begin with; `size` gets its length.
PickleTree unpickle_first(std::span<const std::byte> bytes, const std::string& origin,
                          std::size_t* size, const PickleLimits& limits = {});

// A whole file.
PickleTree read_pickle(const std::filesystem::path& path);

}  // namespace gpt
