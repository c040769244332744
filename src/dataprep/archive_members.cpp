#include "gpt/dataprep/archive_members.h"

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "archive_handle.h"

namespace gpt {

class MemberSource : public ByteSource {
 public:
  explicit MemberSource(ArchiveMembers& members) : members_(members) {}
  bool stopped() const override { return members_.source_->stopped(); }

 protected:
  std::size_t read_more(char* to, std::size_t size) override { return members_.read(to, size); }

 private:
  ArchiveMembers& members_;
};

namespace {

// Whatever the locale is, and whatever bytes an old archive has in names.
std::string path_of(archive_entry* entry) {
  const char* path = archive_entry_pathname_utf8(entry);
  if (!path) path = archive_entry_pathname(entry);
  return path ? path : "a file without a name";
}

}  // namespace

ArchiveMembers::ArchiveMembers(Packing packing, std::unique_ptr<ByteSource> bytes,
                               const std::string& name)
    : packing_(packing),
      source_(std::move(bytes)),
      name_(name),
      archive_(std::make_unique<ArchiveHandle>(*source_)) {
  archive* handle = archive_->get();
  if (packing == Packing::kZip) {
    archive_read_support_format_zip(handle);
  } else {
    archive_read_support_format_tar(handle);
    // Tar files are put after each other, as gzip's members are.
    archive_read_set_format_option(handle, "tar", "read_concatenated_archives", "1");
  }
  if (archive_->open() != ARCHIVE_OK) archive_->throw_failure(name_, name_of(packing_));
}

ArchiveMembers::~ArchiveMembers() = default;

bool ArchiveMembers::next() {
  archive_entry* entry = nullptr;
  int result;
  while ((result = archive_read_next_header(archive_->get(), &entry)) >= ARCHIVE_WARN) {
    if (result == ARCHIVE_EOF) return false;
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry)) continue;
    member_ = path_of(entry);
    if (archive_entry_is_data_encrypted(entry))
      throw InputError(concat(name_, ": ", quoted_name(member_),
                              " in it is encrypted; unpack the archive with its password, and give "
                              "the folder"));
    return true;
  }
  archive_->throw_failure(name_, name_of(packing_));
  return false;
}

std::unique_ptr<ByteSource> ArchiveMembers::bytes() {
  return std::make_unique<MemberSource>(*this);
}

std::size_t ArchiveMembers::read(char* to, std::size_t size) {
  const la_ssize_t got = archive_read_data(archive_->get(), to, size);
  if (got < 0) archive_->throw_failure(name_, name_of(packing_));
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

}  // namespace gpt
