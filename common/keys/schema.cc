#include "common/keys/schema.h"

#include <string>

#include "common/keys/units.h"
#include "common/keys/wanted.h"
#include "common/strings.h"

namespace tiffin::keys {
namespace {

// In the order of the tables.
using Json = nlohmann::ordered_json;

std::string Whole(std::string_view pattern) { return StrCat("^(?:", pattern, ")$"); }

Json OfText(const Text& text) {
  Json schema = {{"type", "string"}};
  if (text.any_scalar) schema["type"] = Json::array({"string", "number", "boolean"});
  if (text.pattern.empty()) {
    schema["minLength"] = 1;
  } else {
    schema["pattern"] = Whole(text.pattern);
  }
  return schema;
}

// Text, a section, or either: the keywords for strings leave mappings alone, and the other way.
Json OfEither(const Text* text, const Section* section) {
  if (section == nullptr) return OfText(*text);
  Json schema = SchemaOf(*section);
  if (text == nullptr) return schema;
  schema.update(OfText(*text));
  schema["type"] = Json::array({"string", "object"});
  return schema;
}

struct ToSchema {
  Json operator()(const Text& text) const { return OfText(text); }
  Json operator()(const Integer& integer) const {
    Json schema = {{"type", "integer"}, {"minimum", integer.min}};
    if (integer.max != std::numeric_limits<int64_t>::max()) schema["maximum"] = integer.max;
    return schema;
  }
  Json operator()(const Number& number) const {
    Json schema = {{"type", "number"}};
    const bool is_included = number.min_is == Number::Min::kIncluded;
    if (number.min != -kAnyNumber)
      schema[is_included ? "minimum" : "exclusiveMinimum"] = number.min;
    if (number.max != kAnyNumber) schema["maximum"] = number.max;
    return schema;
  }
  Json operator()(const Boolean&) const { return {{"type", "boolean"}}; }
  Json operator()(const Duration&) const {
    return {{"type", "string"}, {"pattern", Whole(DurationPattern())}};
  }
  Json operator()(const Bytes&) const {
    return {{"type", "string"}, {"pattern", Whole(BytesPattern())}};
  }
  Json operator()(const Choice& choice) const {
    Json words = Json::array();
    for (const std::string_view word : choice.words) {
      words.push_back(std::string(word));
      if (const std::optional<bool> truth = TruthOf(word)) words.push_back(*truth);
    }
    return {{"enum", std::move(words)}};
  }
  Json operator()(const List& list) const {
    Json schema = {{"type", "array"}};
    if (const auto* section = std::get_if<const Section*>(&list.item)) {
      schema["items"] = SchemaOf(**section);
    } else if (const auto* integer = std::get_if<Integer>(&list.item)) {
      schema["items"] = (*this)(*integer);
    } else {
      schema["items"] = OfText(std::get<Text>(list.item));
    }
    if (list.min > 0) schema["minItems"] = list.min;
    if (list.max != std::numeric_limits<size_t>::max()) schema["maxItems"] = list.max;
    if (list.is_unique) schema["uniqueItems"] = true;
    return schema;
  }
  Json operator()(const Nested& nested) const { return OfEither(nested.text, nested.section); }
  Json operator()(const Named& named) const {
    const Text& names = named.names == nullptr ? kName : *named.names;
    return {{"type", "object"},
            {"minProperties", 1},
            {"propertyNames", {{"pattern", Whole(names.pattern)}}},
            {"additionalProperties", OfEither(named.text, named.section)}};
  }
  Json operator()(const AnyMapping&) const { return {{"type", "object"}}; }
  Json operator()(const NumberOrText&) const {
    return {{"type", Json::array({"number", "string"})}};
  }
};

Json OfKey(const Key& key) {
  Json schema = {{"description", StrCat(key.meaning, ".")}};
  schema.update(std::visit(ToSchema{}, key.form));
  const nlohmann::json fallback = Fallback(key.form);
  if (!fallback.is_null()) schema["default"] = fallback;
  return schema;
}

Json Rule(const Either& either) {
  Json ways = Json::array();
  for (const std::string_view key : either.keys()) {
    ways.push_back({{"required", Json::array({std::string(key)})}});
  }
  return {{either.if_both.empty() ? "anyOf" : "oneOf", std::move(ways)}};
}

}  // namespace

Json SchemaOf(const Section& section) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Key& key : section.keys) {
    properties[std::string(key.name)] = OfKey(key);
    if (!key.required.empty()) required.push_back(std::string(key.name));
  }
  Json schema = {
      {"type", "object"}, {"additionalProperties", false}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  if (section.either != nullptr) schema.update(Rule(*section.either));
  return schema;
}

}  // namespace tiffin::keys
