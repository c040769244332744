#include "gpt/formats/torch_writer.h"

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/formats/zip_writer.h"

namespace gpt {

namespace {

const char* storage_class(const std::string& dtype) {
  static const std::map<std::string, const char*> kClasses = {{"F32", "FloatStorage"},
                                                              {"F64", "DoubleStorage"},
                                                              {"F16", "HalfStorage"},
                                                              {"BF16", "BFloat16Storage"},
                                                              {"I64", "LongStorage"}};
  const auto found = kClasses.find(dtype);
  if (found == kClasses.end()) throw Error("dtype " + dtype + " has no torch storage");
  return found->second;
}

void sizes(PickleWriter& pickle, const std::vector<std::int64_t>& values) {
  pickle.open_tuple();
  for (const std::int64_t value : values) pickle.integer(value);
  pickle.close_tuple();
}

}  // namespace

// torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())
void TorchWriter::tensor(const TensorView& tensor) {
  std::size_t index = storages_.size();
  const auto found = known_.find(tensor.bytes.data());
  if (found != known_.end() && storages_[found->second].size() == tensor.bytes.size()) {
    index = found->second;
  } else {
    storages_.push_back(tensor.bytes);
    if (!tensor.bytes.empty()) known_[tensor.bytes.data()] = index;
  }
  const auto elements =
      static_cast<std::int64_t>(tensor.bytes.size() / safetensors_dtype_size(tensor.dtype));
  pickle_.global("torch._utils", "_rebuild_tensor_v2");
  pickle_.open_tuple();
  pickle_.open_tuple();
  pickle_.text("storage");
  pickle_.global("torch", storage_class(tensor.dtype));
  pickle_.text(std::to_string(index));
  pickle_.text("cpu");
  pickle_.integer(elements);
  pickle_.close_tuple();
  pickle_.persistent();
  pickle_.integer(0);
  sizes(pickle_, tensor.shape);
  std::vector<std::int64_t> stride(tensor.shape.size(), 1);
  for (std::size_t d = stride.size(); d-- > 1;) stride[d - 1] = stride[d] * tensor.shape[d];
  sizes(pickle_, stride);
  pickle_.boolean(false);
  pickle_.open_ordered_dict();
  pickle_.close_dict();
  pickle_.close_tuple();
  pickle_.call();
}

std::uint64_t TorchWriter::save() {
  Replacement replacement(path_, may_replace_);
  const std::string stem = path_.stem().string() + "/";
  ZipWriter zip(replacement.fresh());
  zip.add(stem + "data.pkl", pickle_.finish());
  zip.add(stem + ".format_version", "1");
  zip.add(stem + ".storage_alignment", std::to_string(ZipWriter::kAlignment));
  zip.add(stem + "byteorder", "little");
  for (std::size_t i = 0; i < storages_.size(); ++i) {
    zip.add(concat(stem, "data/", i), storages_[i]);
    check_mapped(storages_[i]);
  }
  zip.add(stem + "version", "3\n");
  const std::uint64_t size = zip.finish();
  replacement.commit();
  return size;
}

}  // namespace gpt
