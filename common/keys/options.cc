#include "common/keys/options.h"

#include <cstdlib>
#include <vector>

#include "common/keys/fits.h"
#include "common/keys/units.h"
#include "common/keys/wanted.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::keys {
namespace {

using Json = nlohmann::json;

absl::Status UnknownOption(std::string_view backend, std::span<const Key> known,
                           std::string_view option) {
  std::vector<std::string_view> names;
  for (const Key& key : known) names.push_back(key.name);
  return absl::InvalidArgumentError(StrCat(backend, " backend: unknown option '", option, "'; ",
                                           names.empty()
                                               ? "this backend has no options"
                                               : StrCat("the options are ", Listed(names, "and"))));
}

}  // namespace

absl::Status WrongOption(std::string_view backend, std::string_view option, const Json& value,
                         std::string_view wanted) {
  return absl::InvalidArgumentError(
      StrCat(backend, " backend: option '", option, "' is ",
             value.dump(-1, ' ', false, Json::error_handler_t::replace), "; it must be ", wanted));
}

absl::StatusOr<Options> Options::Read(std::string_view backend, std::span<const Key> known,
                                      const Json& options) {
  if (!options.is_object() && !options.is_null()) {
    return absl::InvalidArgumentError(StrCat(backend, " backend: the options must be a mapping"));
  }
  for (const auto& [option, value] : options.items()) {
    const auto key = std::find_if(known.begin(), known.end(),
                                  [&](const Key& other) { return other.name == option; });
    if (key == known.end()) return UnknownOption(backend, known, option);
    if (!Fits(value, key->form)) {
      return WrongOption(backend, option, value, Wanted(key->form));
    }
  }
  for (const Key& key : known) {
    if (key.required.empty() || options.contains(std::string(key.name))) continue;
    return absl::InvalidArgumentError(
        StrCat(backend, " backend: option '", key.name, "' is missing; add ", key.required));
  }
  return Options(known, options);
}

const Json* Options::Find(std::string_view name) const {
  if (options_.is_null()) return nullptr;
  const auto found = options_.find(std::string(name));
  return found == options_.end() ? nullptr : &*found;
}

const Key& Options::KeyOf(std::string_view name) const {
  const auto key = std::find_if(known_.begin(), known_.end(),
                                [name](const Key& other) { return other.name == name; });
  if (key == known_.end()) std::abort();
  return *key;
}

int64_t Options::Integer(std::string_view name) const {
  const Json* written = Find(name);
  return written != nullptr ? written->get<int64_t>()
                            : std::get<keys::Integer>(KeyOf(name).form).fallback.value();
}

double Options::Number(std::string_view name) const {
  const Json* written = Find(name);
  return written != nullptr ? written->get<double>()
                            : std::get<keys::Number>(KeyOf(name).form).fallback.value();
}

bool Options::Boolean(std::string_view name) const {
  const Json* written = Find(name);
  return written != nullptr ? written->get<bool>()
                            : std::get<keys::Boolean>(KeyOf(name).form).fallback.value();
}

absl::Duration Options::Duration(std::string_view name) const {
  const Json* written = Find(name);
  return written != nullptr ? ParseDuration(written->get_ref<const std::string&>()).value.value()
                            : std::get<keys::Duration>(KeyOf(name).form).fallback.value();
}

std::string Options::Word(std::string_view name) const {
  const Json* written = Find(name);
  if (written == nullptr) return std::string(std::get<keys::Choice>(KeyOf(name).form).fallback);
  if (written->is_boolean()) return written->get<bool>() ? "on" : "off";
  return written->get<std::string>();
}

}  // namespace tiffin::keys
