#include "gpt/config/resolve.h"

#include "gpt/base/strings.h"

namespace gpt {

namespace {

std::string resolve_device(const std::string& asked, const Hardware& hardware,
                           std::vector<std::string>& warnings) {
  if (asked == "cpu") return asked;
  if (!hardware.unusable_gpu.empty()) {
    if (asked != "auto")
      throw UnusableGpu(concat("device=", asked, ": ", hardware.unusable_gpu,
                               "; to use the CPU instead, set --device=cpu"));
    warnings.push_back(concat("device=auto: ", hardware.unusable_gpu, "; the CPU is used"));
    return "cpu";
  }
  if (hardware.cuda_devices == 0) {
    if (asked != "auto")
      warnings.push_back(
          concat("device=", asked, " was asked for, but ",
                 hardware.built_with_cuda ? "no GPU is usable" : "this gpttrain has no CUDA",
                 "; the CPU is used"));
    return "cpu";
  }
  if (asked == "auto" || asked == "cuda") return "cuda:0";
  if (std::stoi(asked.substr(5)) >= hardware.cuda_devices)
    throw InputError(concat("device=", asked, ": this machine has ", hardware.cuda_devices,
                            " GPU(s), cuda:0 to cuda:", hardware.cuda_devices - 1));
  return asked;
}

}  // namespace

Resolved resolve(const std::string& device, const std::string& dtype, const Hardware& hardware) {
  Resolved result;
  result.device = resolve_device(device, hardware, result.warnings);
  result.dtype = dtype;
  if (result.device == "cpu") {
    if (dtype == "auto") result.dtype = "float32";
    if (dtype == "float16") {
      result.dtype = "float32";
      result.warnings.push_back("dtype=float16 is for GPUs; float32 is used on the CPU");
    }
    if (dtype == "bfloat16" && !hardware.cpu_bf16)
      result.warnings.push_back("dtype=bfloat16: this CPU has no bfloat16 products, they are slow");
    return result;
  }
  if (dtype == "auto") result.dtype = hardware.cuda_bf16 ? "bfloat16" : "float16";
  if (dtype == "bfloat16" && !hardware.cuda_bf16) {
    result.dtype = "float16";
    result.warnings.push_back(
        "dtype=bfloat16: this GPU has none; float16 with a gradient scaler is used");
  }
  return result;
}

}  // namespace gpt
