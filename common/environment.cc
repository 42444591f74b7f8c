#include "common/environment.h"

#include <array>
#include <cstdlib>

#include "common/strings.h"

namespace tiffin::environment {
namespace {

constexpr std::array kAll = {kStore,     kWorkerPath, kAddress, kToken,   kHome,
                             kRuntime,   kTemporary,  kPath,    kNoColor, kTerminal,
                             kLocaleAll, kLocaleType, kLocale};

}  // namespace

std::span<const Variable> All() { return kAll; }

std::string Get(const Variable& variable) {
  const char* value = std::getenv(variable.name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string DefaultText(const Variable& variable) {
  return StrCat("$", variable.name, ", else ", variable.otherwise);
}

}  // namespace tiffin::environment
