#include "gateway/functions/registry.h"

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(RegistryTest, KnowsTheBuiltinFunctions) {
  const FunctionTable functions = BuiltinFunctions();
  for (const auto* name : {"argmax", "cast", "compare", "concat", "format", "if_empty", "label",
                           "one_line", "reshape", "select", "softmax", "threshold", "top_k"}) {
    EXPECT_TRUE(functions.contains(name)) << name;
  }
  for (const auto& [name, factory] : functions) EXPECT_NE(factory, nullptr) << name;
}

}  // namespace
}  // namespace tiffin::gateway
