// Carries the precompiled ATen header; see Torch.cmake.
