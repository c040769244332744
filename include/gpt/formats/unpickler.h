// Reads Python's pickle format, protocols 0 to 5, as a data format
// (https://docs.python.org/3.11/library/pickle.html; the opcodes are those of pickletools). Only
// what the standard pickler writes for plain values and torch.save for tensors is understood; all
// else is an error that names the global or opcode and its byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>

#include "gpt/formats/pickle_value.h"

namespace gpt {

struct PickleLimits {
  std::uint64_t opcodes = 20'000'000;
  std::uint64_t values = 10'000'000;  // each counted once however often it is referred to
  std::uint64_t memo = 10'000'000;
  std::uint64_t text_bytes = 16u << 20;  // of one text or bytes object
  std::uint64_t depth = 64;              // containers inside containers
};

// dict, OrderedDict, list, tuple, set, frozenset, str, bytes, bool, None, float, and int up to 64
// bits are plain values. `globals` are names beyond those ("torch.FloatStorage"): they become
// PickleGlobal, and called, PickleCall. BUILD's attributes (OrderedDict's _metadata) are dropped.
// InputError "ORIGIN: byte N: ..." for a global that is not listed, an opcode that is not known, a
// value that contains itself, a limit passed, or bytes after the end.
PickleTree unpickle(std::span<const std::byte> bytes, const std::string& origin,
                    const std::set<std::string>& globals = {}, const PickleLimits& limits = {});

// A whole file.
PickleTree read_pickle(const std::filesystem::path& path);

}  // namespace gpt
