#include "gateway/functions/registry.h"

#include "gtest/gtest.h"

namespace tiffin::gateway {
namespace {

TEST(RegistryTest, KnowsTheBuiltinFunctions) {
  const FunctionTable functions = BuiltinFunctions();
  EXPECT_TRUE(functions.contains("compare"));
  EXPECT_TRUE(functions.contains("select"));
  for (const auto& [name, factory] : functions) EXPECT_NE(factory, nullptr) << name;
}

}  // namespace
}  // namespace tiffin::gateway
