// The ways to compute products that product_test.cpp tests.
#pragma once

#include <vector>

#include "gpt/kernels/product_set.h"

namespace gpt::testing {

// Null: MKL's.
std::vector<const ProductSet*> product_ways();

extern const bool kProductsEmulated;

}  // namespace gpt::testing
