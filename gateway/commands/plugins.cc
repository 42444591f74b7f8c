#include "gateway/commands/plugins.h"

#include <dlfcn.h>

#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "common/config/name_hint.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/functions/registry.h"

namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;

constexpr char kEntry[] = "tiffin_plugin";

// Puts what is added where it belongs, and keeps the first thing that is wrong.
class Adder final : public Registry {
 public:
  Adder() {
    extensions_.functions = BuiltinFunctions();
    for (const auto& [name, factory] : extensions_.functions) makers_[name] = "tiffin itself";
  }

  absl::Status Add(const std::string& origin, AddExtensions add) {
    origin_ = origin;
    add(*this);
    return status_;
  }
  Extensions Take() { return std::move(extensions_); }

  void AddFunction(std::string name, FunctionFactory factory) override {
    if (std::string error = config::NameError("function", name); !error.empty()) {
      return Fail(error);
    }
    if (factory == nullptr) return Fail(StrCat("function '", name, "' has no factory"));
    const auto [maker, is_new] = makers_.emplace(name, origin_);
    if (!is_new) {
      return Fail(StrCat("function '", name, "' is there already, by ", maker->second,
                         "; give it another name"));
    }
    extensions_.functions.emplace(std::move(name), factory);
  }

  void AddApi(ApiDefinition api) override {
    extensions_.apis.push_back({.definition = std::move(api), .origin = origin_});
  }

 private:
  void Fail(std::string_view what) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(StrCat(origin_, ": ", what));
  }

  Extensions extensions_;
  std::map<std::string, std::string> makers_;  // Of functions.
  std::string origin_;
  absl::Status status_;
};

absl::StatusOr<AddExtensions> Open(const std::string& path, std::string_view origin) {
  const auto fail = [origin](const auto&... pieces) {
    return absl::InvalidArgumentError(StrCat(origin, ": ", pieces...));
  };
  std::error_code code;
  if (!fs::is_regular_file(path, code)) return fail("there is no such file; check the path");
  // Absolute: else it would be looked for as a library of the system. Never closed: its code is in
  // the plans.
  void* library = dlopen(fs::absolute(path, code).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return fail("it can't be loaded: ", dlerror());
  void* entry = dlsym(library, kEntry);
  if (entry == nullptr) {
    return fail("it is no plugin: it has no function ", kEntry, "; see tiffin/function.h");
  }
  const Plugin* plugin = reinterpret_cast<decltype(&tiffin_plugin)>(entry)();
  if (plugin == nullptr) return fail("its ", kEntry, " returns nothing");
  if (plugin->abi != kPluginAbi) {
    const char* version = plugin->tiffin_version;
    return fail("it is built for version ", plugin->abi, " of the plugin interface (tiffin ",
                version == nullptr ? "?" : version, "), and this is ", kPluginAbi, " (tiffin ",
                kVersion, "); build it again, with this Tiffin's headers");
  }
  if (plugin->add == nullptr) return fail("it adds nothing: `add` is not set");
  return plugin->add;
}

}  // namespace

absl::StatusOr<Extensions> LoadExtensions(AddExtensions own, std::span<const std::string> plugins) {
  Adder adder;
  if (own != nullptr) RETURN_IF_ERROR(adder.Add("this program", own));
  for (const std::string& path : plugins) {
    const std::string origin = StrCat("plugin '", path, "'");
    ASSIGN_OR_RETURN(const AddExtensions add, Open(path, origin));
    RETURN_IF_ERROR(adder.Add(origin, add));
  }
  return adder.Take();
}

}  // namespace tiffin::gateway
