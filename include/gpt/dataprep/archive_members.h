// The files in a zip or tar archive, in its order.
#pragma once

#include <memory>
#include <string>

#include "gpt/dataprep/unpacking.h"

namespace gpt {

class ArchiveHandle;

class ArchiveMembers {
 public:
  // InputError, "NAME: ...".
  ArchiveMembers(Packing packing, std::unique_ptr<ByteSource> bytes, const std::string& name);
  ~ArchiveMembers();
  ArchiveMembers(const ArchiveMembers&) = delete;
  ArchiveMembers& operator=(const ArchiveMembers&) = delete;

  // To the next regular file; false behind the last one, or once stopped.
  bool next();
  const std::string& member() const { return member_; }  // its name
  // The bytes of the file it is at, until next().
  std::unique_ptr<ByteSource> bytes();

 private:
  friend class MemberSource;
  std::size_t read(char* to, std::size_t size);

  const Packing packing_;
  const std::unique_ptr<ByteSource> source_;
  const std::string name_;
  const std::unique_ptr<ArchiveHandle> archive_;
  std::string member_;
};

}  // namespace gpt
