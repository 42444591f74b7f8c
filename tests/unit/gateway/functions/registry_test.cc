#include "gateway/functions/registry.h"

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(RegistryTest, KnowsTheBuiltinFunctions) {
  const FunctionTable functions = BuiltinFunctions();
  for (const auto* name : {"compare", "format", "if_empty", "one_line", "select"}) {
    EXPECT_TRUE(functions.contains(name)) << name;
  }
  for (const auto& [name, factory] : functions) EXPECT_NE(factory, nullptr) << name;
}

}  // namespace
}  // namespace tiffin::gateway
