#include "gateway/api/http/json_text.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/strings.h"
#include "gateway/api/text.h"

namespace tiffin::gateway::http {
namespace {

constexpr size_t kMaxNesting = 100;

// Reads a text without keeping it: how deep it nests, and whether an object has a key twice. (The
// parser's own callback would tell the same, but looks at all elements of a list after each.)
class Checker : public nlohmann::json::json_sax_t {
 public:
  explicit Checker(UniqueKeys unique) : unique_(unique) {}

  bool is_too_deep() const { return is_too_deep_; }
  const std::optional<std::string>& repeated() const { return repeated_; }

  bool start_object(size_t /*elements*/) override { return Open(); }
  bool end_object() override { return Close(); }
  bool start_array(size_t /*elements*/) override { return Open(); }
  bool end_array() override { return Close(); }
  bool key(std::string& key) override {
    if (unique_ == UniqueKeys::kAtTop && keys_.size() > 1) return true;
    if (!keys_.back().insert(key).second) repeated_ = std::move(key);
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(int64_t /*value*/) override { return true; }
  bool number_unsigned(uint64_t /*value*/) override { return true; }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return true; }
  bool string(std::string& /*value*/) override { return true; }
  bool binary(nlohmann::json::binary_t& /*value*/) override { return true; }
  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) override {
    return false;
  }

 private:
  // False ends the reading.
  bool Open() {
    keys_.emplace_back();
    is_too_deep_ = keys_.size() > kMaxNesting;
    return !is_too_deep_;
  }
  bool Close() {
    keys_.pop_back();
    return true;
  }

  const UniqueKeys unique_;
  std::vector<std::set<std::string>> keys_;  // Of the open lists and objects.
  bool is_too_deep_ = false;
  std::optional<std::string> repeated_;
};

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, std::string_view what,
                                         UniqueKeys unique) {
  Checker checker(unique);
  const bool is_json = nlohmann::json::sax_parse(text, &checker);
  if (checker.is_too_deep()) {
    return absl::InvalidArgumentError(
        StrCat(what, " nests lists and objects more than ", kMaxNesting, " deep"));
  }
  if (!is_json) return absl::InvalidArgumentError(StrCat(what, " does not parse as JSON"));
  if (checker.repeated().has_value()) {
    return absl::InvalidArgumentError(StrCat("'", BoundedUtf8(*checker.repeated(), kMaxQuoted),
                                             "' is given twice; send it once"));
  }
  return nlohmann::json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
}

}  // namespace tiffin::gateway::http
