#include "gateway/client/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace tiffin::gateway::client {
namespace {

using ::testing::HasSubstr;

std::string File(const std::string& header, const std::string& data) {
  std::string file("\x93NUMPY\x01\0", 8);
  file += static_cast<char>(header.size());
  file += '\0';
  return file + header + data;
}

TEST(NpyTest, WhatIsWrittenIsRead) {
  const std::array<float, 6> numbers = {1, 2, 3, 4, 5, 6};
  const TensorView tensor{
      .dtype = DataType::kFp32, .shape = {2, 3}, .bytes = std::as_bytes(std::span(numbers))};

  const std::string file = *WriteNpy(tensor);
  const auto read = ReadNpy(file);

  ASSERT_TRUE(IsNpy(file));
  EXPECT_EQ((file.size() - sizeof numbers) % 64, 0);
  EXPECT_EQ(read->dtype, DataType::kFp32);
  EXPECT_EQ(read->shape, tensor.shape);
  EXPECT_EQ(AsStringView(read->bytes), AsStringView(tensor.bytes));
}

TEST(NpyTest, AScalarHasNoDimensions) {
  const auto read = ReadNpy(File("{'descr': '|u1', 'fortran_order': False, 'shape': (), }\n", "x"));
  EXPECT_TRUE(read->shape.empty());
}

TEST(NpyTest, WhatCanNotBeSentIsRefused) {
  const auto error = [](const std::string& descr, const std::string& order,
                        const std::string& shape) {
    const std::string file =
        File("{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n",
             "12345678");
    return ReadNpy(file).status().ToString();
  };
  EXPECT_THAT(error("'>f8'", "False", "(1,)"), HasSubstr("elements of type '>f8'"));
  EXPECT_THAT(error("'<f8'", "True", "(1,)"), HasSubstr("ascontiguousarray"));
  EXPECT_THAT(error("'<f8'", "False", "(2,)"), HasSubstr("as many elements"));
  EXPECT_THAT(error("'<f8'", "False", "(99999999999999999999,)"), HasSubstr("too large"));
  EXPECT_THAT(error("'<f8'", "False", "(4294967296, 4294967296)"), HasSubstr("as many elements"));
  EXPECT_THAT(error("[('a', '<f8')]", "False", "(1,)"), HasSubstr("arrays with fields"));
}

TEST(NpyTest, AFileThatIsCutAnywhereIsRefused) {
  const std::string whole =
      File("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n", "12345678");
  ASSERT_TRUE(ReadNpy(whole).ok());
  for (size_t size = 6; size < whole.size(); ++size) {
    EXPECT_FALSE(ReadNpy(std::string_view(whole).substr(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace tiffin::gateway::client
