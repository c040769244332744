// What numpy puts into pickles: numbers, texts and arrays.
#pragma once

#include <string>

#include "gpt/formats/pickle_value.h"
#include "gpt/formats/torch_reader.h"

namespace gpt {

// Whether a function of this name makes a number of numpy's.
bool is_numpy_scalar(const std::string& name);

// Its arguments (a dtype and bytes) as a plain value; false for a type that has no like here.
bool numpy_scalar(const PickleItems& arguments, decltype(PickleValue::data)* value);

// Whether the value is an array of a type that tensors have, and that array; it looks into the
// value.
bool numpy_array(const PickleValue& value, StridedTensor* array);

}  // namespace gpt
