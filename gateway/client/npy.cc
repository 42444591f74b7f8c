#include "gateway/client/npy.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <regex>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway::client {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;
constexpr size_t kMaxHeader = 4096;
constexpr std::array<std::pair<DataType, std::string_view>, 12> kTypes = {{
    {DataType::kBool, "|b1"},
    {DataType::kUint8, "|u1"},
    {DataType::kUint16, "<u2"},
    {DataType::kUint32, "<u4"},
    {DataType::kUint64, "<u8"},
    {DataType::kInt8, "|i1"},
    {DataType::kInt16, "<i2"},
    {DataType::kInt32, "<i4"},
    {DataType::kInt64, "<i8"},
    {DataType::kFp16, "<f2"},
    {DataType::kFp32, "<f4"},
    {DataType::kFp64, "<f8"},
}};

absl::Status Broken(std::string_view why) {
  return absl::InvalidArgumentError(StrCat("is not a whole .npy file: ", why));
}

// "(2, 64)", "(3,)", "()".
absl::StatusOr<Shape> ParseShape(std::string text) {
  Shape shape;
  static const std::regex kNumber("[0-9]+");
  for (auto it = std::sregex_iterator(text.begin(), text.end(), kNumber);
       it != std::sregex_iterator(); ++it) {
    int64_t size = 0;
    if (!absl::SimpleAtoi(it->str(), &size)) return Broken("its shape is too large");
    shape.push_back(size);
  }
  return shape;
}

absl::StatusOr<TensorView> ParseHeader(const std::string& header) {
  std::smatch found;
  TensorView tensor;
  if (!std::regex_search(header, found, std::regex("'descr': *'([^']*)'"))) {
    return Broken("it does not name an element type; arrays with fields are not read");
  }
  const std::string type = found[1];
  const auto known = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const auto& entry) { return entry.second == type; });
  if (known == kTypes.end()) {
    return absl::InvalidArgumentError(
        StrCat("has elements of type '", type, "'; numbers and booleans can be sent"));
  }
  tensor.dtype = known->first;
  if (!std::regex_search(header, std::regex("'fortran_order': *False"))) {
    return absl::InvalidArgumentError("is in Fortran's order; save numpy.ascontiguousarray(array)");
  }
  if (!std::regex_search(header, found, std::regex("'shape': *\\(([^)]*)\\)"))) {
    return Broken("it does not tell its shape");
  }
  ASSIGN_OR_RETURN(tensor.shape, ParseShape(found[1]));
  return tensor;
}

}  // namespace

bool IsNpy(std::string_view file) { return file.starts_with(kMagic); }

absl::StatusOr<TensorView> ReadNpy(std::string_view file) {
  const auto byte = [&](size_t at) {
    return static_cast<size_t>(static_cast<unsigned char>(file[at]));
  };
  if (file.size() < 12) return Broken("it ends within its header");
  const bool is_first_version = byte(6) == 1;
  const size_t begin = is_first_version ? 10 : 12;
  const size_t size = is_first_version ? byte(8) | byte(9) << 8
                                       : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
  if (size > kMaxHeader || size > file.size() - begin) return Broken("it ends within its header");
  ASSIGN_OR_RETURN(TensorView tensor, ParseHeader(std::string(file.substr(begin, size))));
  tensor.bytes = AsBytes(file.substr(begin + size));
  const absl::StatusOr<uint64_t> expected = ByteSize(tensor.dtype, tensor.shape);
  if (!expected.ok() || *expected != tensor.bytes.size()) {
    return Broken("it does not hold as many elements as its shape says");
  }
  return tensor;
}

absl::StatusOr<std::string> WriteNpy(const TensorView& tensor) {
  const auto known = std::find_if(kTypes.begin(), kTypes.end(),
                                  [&](const auto& entry) { return entry.first == tensor.dtype; });
  if (known == kTypes.end()) {
    return absl::InvalidArgumentError(
        StrCat("is ", DataTypeName(tensor.dtype), ", which .npy files have not"));
  }
  std::string shape;
  for (const int64_t size : tensor.shape) shape += StrCat(size, ",");
  std::string header =
      StrCat("{'descr': '", known->second, "', 'fortran_order': False, 'shape': (", shape, "), }");
  const size_t whole = 10 + header.size() + 1;
  header.append((kAlignment - whole % kAlignment) % kAlignment, ' ');
  header += '\n';
  std::string file(kMagic);
  file += '\x01';
  file += '\0';
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  return StrCat(file, header, AsStringView(tensor.bytes));
}

}  // namespace tiffin::gateway::client
