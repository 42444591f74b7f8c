#pragma once

#include <cstdint>
#include <string>

#include "common/version.h"
#include "gateway/graph/function.h"
#include "gateway/graph/program.h"

// What is added to a gateway from outside of it.
namespace tiffin::gateway {

// Takes what is added, once, when the gateway starts.
class Registry {
 public:
  // For steps of graphs. `name` must be new; see kName in common/keys/key.h for its form.
  virtual void AddFunction(std::string name, FunctionFactory factory) = 0;
  // An API of a service, whose file is served too.
  virtual void AddApi(ApiDefinition api) = 0;

 protected:
  ~Registry() = default;
};

using AddExtensions = void (*)(Registry& registry);

// Of the classes that a plugin and the gateway share. To be raised with every change of one of
// them: a plugin of another number is refused.
inline constexpr uint32_t kPluginAbi = 1;

// What a plugin is: a shared library with a function tiffin_plugin that returns one of these. The
// first two members are read whatever the number is.
struct Plugin {
  uint32_t abi = kPluginAbi;
  const char* tiffin_version = kVersion;
  AddExtensions add = nullptr;
};

}  // namespace tiffin::gateway

// To be defined by the plugin; what it returns stays.
extern "C" __attribute__((visibility("default"))) const tiffin::gateway::Plugin* tiffin_plugin();
