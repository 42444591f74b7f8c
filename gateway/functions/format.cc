#include "gateway/functions/format.h"

#include <fmt/args.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/functions/arguments.h"
#include "gateway/graph/rows.h"
#include "gateway/graph/text_rows.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "format('...{name}...', name=value, ...) takes a text with fields in braces, and for each "
    "field "
    "a value of that name: text, or a single number";

// What a field is filled with.
using Field = std::variant<std::string, bool, int64_t, uint64_t, float, double>;

template <typename T>
T Load(const TensorView& row) {
  T value;
  std::memcpy(&value, row.bytes.data(), sizeof value);  // A row need not be aligned.
  return value;
}

// The only element of a row; nullopt for an element type that a template can't show.
std::optional<Field> FieldOf(DataType dtype, const TensorView& row) {
  switch (dtype) {
    case DataType::kBytes:
      return std::string(AsStringView(row.bytes.subspan(kBytesElementHeader)));
    case DataType::kBool:
      return Load<uint8_t>(row) != 0;
    case DataType::kUint8:
      return uint64_t{Load<uint8_t>(row)};
    case DataType::kUint16:
      return uint64_t{Load<uint16_t>(row)};
    case DataType::kUint32:
      return uint64_t{Load<uint32_t>(row)};
    case DataType::kUint64:
      return Load<uint64_t>(row);
    case DataType::kInt8:
      return int64_t{Load<int8_t>(row)};
    case DataType::kInt16:
      return int64_t{Load<int16_t>(row)};
    case DataType::kInt32:
      return int64_t{Load<int32_t>(row)};
    case DataType::kInt64:
      return Load<int64_t>(row);
    case DataType::kFp32:
      return Load<float>(row);
    case DataType::kFp64:
      return Load<double>(row);
    default:
      return std::nullopt;
  }
}

// One name and what stands for it.
struct NamedField {
  std::string name;
  Field field;
};

// INVALID_ARGUMENT, with fmt's reason, for a template that the fields don't fit.
absl::StatusOr<std::string> Fill(const std::string& text, std::span<const NamedField> fields) {
  fmt::dynamic_format_arg_store<fmt::format_context> store;
  for (const NamedField& named : fields) {
    std::visit([&](const auto& value) { store.push_back(fmt::arg(named.name.c_str(), value)); },
               named.field);
  }
  try {
    return fmt::vformat(text, store);
  } catch (const fmt::format_error& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

class Format : public StepFunction {
 public:
  Format(std::string text, std::vector<std::string> names)
      : text_(std::move(text)), names_(std::move(names)) {}

  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    std::vector<RowReader> readers;
    for (const Value& input : inputs) {
      ASSIGN_OR_RETURN(RowReader reader, RowReader::Create(input));
      readers.push_back(std::move(reader));
    }
    std::vector<std::string> texts;
    for (int64_t row = 0; row < readers.front().rows(); ++row) {
      std::vector<NamedField> fields;
      for (size_t i = 0; i < readers.size(); ++i) {
        const TensorView view = readers[i].View(row);
        fields.push_back({names_[i], FieldOf(view.dtype, view).value()});
      }
      ASSIGN_OR_RETURN(std::string text, Fill(text_, fields));
      texts.push_back(std::move(text));
    }
    return TextRows(texts);
  }

 private:
  const std::string text_;
  const std::vector<std::string> names_;  // Of the inputs, in their order.
  const ValueType output_ = SingleType(ValueKind::kText);
};

// A field of the type that values of `type` will have, to try the template with.
std::optional<Field> SampleOf(const ValueType& type) {
  const bool is_single =
      std::all_of(type.shape.begin(), type.shape.end(), [](int64_t size) { return size == 1; });
  if (!is_single || type.kind == ValueKind::kImage) return std::nullopt;
  constexpr std::byte kZeros[8] = {};
  return FieldOf(type.dtype, {.dtype = type.dtype, .shape = {}, .bytes = kZeros});
}

absl::Status TemplateError(const std::string& text, std::string_view why) {
  return absl::InvalidArgumentError(StrCat("the template '", text, "': ", why));
}

// Why a field's specification (what stands behind its colon) is refused; empty if it is not. A
// width that a value says, or a large one, could fill the memory; a number shown as a character
// need not be UTF-8.
std::string_view FaultOf(std::string_view specification) {
  constexpr size_t kMaxDigits = 3;
  size_t digits = 0;
  for (const char c : specification) {
    if (c == '{') return "a width or precision can't come from a value; write it as a number";
    digits = absl::ascii_isdigit(static_cast<unsigned char>(c)) ? digits + 1 : 0;
    if (digits > kMaxDigits) return "a width or precision has at most 3 digits";
  }
  return specification.ends_with('c') ? "numbers are not shown as characters; leave the 'c' out"
                                      : std::string_view();
}

// The fields of a template as they stand there, without their braces. Braces that are not paired
// are left for fmt to refuse.
std::vector<std::string_view> FieldsIn(std::string_view text) {
  std::vector<std::string_view> fields;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{' && text[i] != '}') continue;
    if (text[i] == '}' || text.substr(i + 1).starts_with('{')) {
      ++i;  // A doubled brace.
      continue;
    }
    const size_t end = text.find('}', i);
    if (end == std::string_view::npos) break;
    fields.push_back(text.substr(i + 1, end - i - 1));
    i = end;
  }
  return fields;
}

// Each field by itself, so that the error names the one that is wrong.
absl::Status CheckFields(const std::string& text, const std::vector<NamedField>& samples) {
  for (const std::string_view field : FieldsIn(text)) {
    const size_t colon = std::min(field.find(':'), field.size());
    const std::string_view name = field.substr(0, colon);
    const bool known = std::any_of(samples.begin(), samples.end(),
                                   [&](const NamedField& sample) { return sample.name == name; });
    if (!known) {
      const std::string names = absl::StrJoin(
          samples, "}, {",
          [](std::string* out, const NamedField& sample) { out->append(sample.name); });
      return TemplateError(text, StrCat("has a field {", name, "}, but there is no value '", name,
                                        "'; the fields may be {", names, "}"));
    }
    const std::string_view fault = FaultOf(field.substr(colon));
    if (!fault.empty()) return TemplateError(text, StrCat("the field {", field, "}: ", fault));
    const auto tried = Fill(StrCat("{", field, "}"), samples);
    if (!tried.ok()) {
      return TemplateError(text, StrCat("the field {", field, "}: ", Message(tried.status())));
    }
  }
  return absl::OkStatus();
}

// Each value must have a field: without it, filling in fails.
absl::Status CheckAllUsed(const std::string& text, const std::vector<NamedField>& samples) {
  for (size_t i = 0; i < samples.size(); ++i) {
    std::vector<NamedField> others = samples;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    if (!Fill(text, others).ok()) continue;
    return TemplateError(text, StrCat("has no field for '", samples[i].name, "'; add {",
                                      samples[i].name, "}, or leave the value out"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeFormat(
    std::span<const FunctionArgument> arguments) {
  const std::string* text = !arguments.empty() && arguments[0].literal.has_value()
                                ? std::get_if<std::string>(&arguments[0].literal->value)
                                : nullptr;
  if (arguments.size() < 2 || text == nullptr || !arguments[0].keyword.empty()) {
    return UsageError(kUsage, arguments);
  }
  std::vector<NamedField> samples;
  std::vector<std::string> names;
  for (const FunctionArgument& argument : arguments.subspan(1)) {
    std::optional<Field> sample;
    if (argument.type.has_value()) sample = SampleOf(*argument.type);
    if (argument.keyword.empty() || !sample.has_value()) return UsageError(kUsage, arguments);
    samples.push_back({argument.keyword, *std::move(sample)});
    names.push_back(argument.keyword);
  }
  RETURN_IF_ERROR(CheckFields(*text, samples));
  if (const auto tried = Fill(*text, samples); !tried.ok()) {
    return TemplateError(*text, Message(tried.status()));
  }
  RETURN_IF_ERROR(CheckAllUsed(*text, samples));
  return std::make_unique<Format>(*text, std::move(names));
}

}  // namespace tiffin::gateway
