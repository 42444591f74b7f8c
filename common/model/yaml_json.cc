#include "common/model/yaml_json.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/charconv.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "common/config/yaml_source.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/parser.h"
#include "yaml-cpp/yaml.h"

namespace tiffin::model {
namespace {

using Json = nlohmann::json;

// Far beyond what a description needs; what stops a document that repeats itself by aliases.
constexpr size_t kMaxNodes = 1'000'000;
constexpr int kMaxDepth = 64;

bool IsNumber(std::string_view text) {
  size_t at = 0;
  const auto skip_digits = [&] {
    const size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - start;
  };
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  size_t digits = skip_digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    digits += skip_digits();
  }
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (skip_digits() == 0) return false;
  }
  return at == text.size();
}

// A plain (unquoted) scalar that is not null.
Json PlainScalar(const std::string& text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (!IsNumber(text)) return text;
  int64_t whole = 0;
  if (absl::SimpleAtoi(text, &whole)) return whole;
  uint64_t large = 0;
  if (absl::SimpleAtoi(text, &large)) return large;
  double number = 0;
  if (absl::SimpleAtod(text, &number) && std::isfinite(number)) return number;
  return text;
}

class Converter {
 public:
  explicit Converter(std::string_view name) : name_(name) {}

  absl::Status Error(const YAML::Mark& mark, std::string_view what) const {
    if (mark.is_null()) return absl::InvalidArgumentError(StrCat(name_, ": ", what));
    return absl::InvalidArgumentError(
        StrCat(name_, ":", mark.line + 1, ":", mark.column + 1, ": ", what));
  }

  absl::StatusOr<Json> Convert(const YAML::Node& node, int depth) {
    if (++nodes_ > kMaxNodes || depth > kMaxDepth) {
      return Error(node.Mark(), "the document is too large or too deep; make it smaller");
    }
    // "?": plain; "!": quoted; "": what a collection has.
    const std::string& tag = node.Tag();
    if (!tag.empty() && tag != "?" && tag != "!") {
      return Error(node.Mark(), StrCat("the tag '", tag, "' is not known; leave it out"));
    }
    switch (node.Type()) {
      case YAML::NodeType::Sequence:
        return ConvertSequence(node, depth);
      case YAML::NodeType::Map:
        return ConvertMap(node, depth);
      case YAML::NodeType::Scalar:
        if (tag == "!") return Json(node.Scalar());
        return PlainScalar(node.Scalar());
      case YAML::NodeType::Null:
      case YAML::NodeType::Undefined:
        break;
    }
    return Json(nullptr);
  }

 private:
  absl::StatusOr<Json> ConvertSequence(const YAML::Node& node, int depth) {
    Json list = Json::array();
    for (const YAML::Node& item : node) {
      ASSIGN_OR_RETURN(Json value, Convert(item, depth + 1));
      list.push_back(std::move(value));
    }
    return list;
  }

  absl::StatusOr<Json> ConvertMap(const YAML::Node& node, int depth) {
    Json object = Json::object();
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        return Error(entry.first.Mark(), "a key must be a word; put it in quotes");
      }
      const std::string& key = entry.first.Scalar();
      if (object.contains(key)) {
        return Error(entry.first.Mark(),
                     StrCat("the key '", key, "' is there twice; remove one of them"));
      }
      ASSIGN_OR_RETURN(object[key], Convert(entry.second, depth + 1));
    }
    return object;
  }

  std::string_view name_;
  size_t nodes_ = 0;
};

// Where documents begin.
class DocumentStarts final : public YAML::EventHandler {
 public:
  const std::vector<YAML::Mark>& marks() const { return marks_; }

  void OnDocumentStart(const YAML::Mark& mark) override { marks_.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  std::vector<YAML::Mark> marks_;
};

// Two are looked for and no more: of some broken text (",") yaml-cpp makes documents without end.
std::optional<YAML::Mark> SecondDocument(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStarts found;
  if (parser.HandleNextDocument(found)) parser.HandleNextDocument(found);
  return found.marks().size() > 1 ? std::optional(found.marks()[1]) : std::nullopt;
}

}  // namespace

absl::StatusOr<Json> YamlToJson(std::string_view name, std::string_view text) {
  if (const auto bad = config::FindBadByte(text)) {
    return absl::InvalidArgumentError(
        StrCat(name, ":", bad->location.line, ":", bad->location.column, ": ", bad->message));
  }
  Converter converter(name);
  // yaml-cpp reports by exceptions, which end here.
  try {
    if (const auto second = SecondDocument(std::string(text))) {
      return converter.Error(*second, "a second document begins; remove the line of dashes");
    }
    return converter.Convert(YAML::Load(std::string(text)), /*depth=*/0);
  } catch (const YAML::Exception& error) {
    return converter.Error(error.mark, StrCat("is not YAML: ", error.msg));
  }
}

std::string JsonToYamlFlow(const Json& value) {
  const std::string text = value.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                                      Json::error_handler_t::replace);
  // The one control character that JSON leaves as it is, and that can only be in a string.
  return absl::StrReplaceAll(text, {{"\x7f", "\\u007f"}});
}

}  // namespace tiffin::model
