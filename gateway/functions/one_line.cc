#include "gateway/functions/one_line.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/functions/arguments.h"
#include "gateway/graph/text_rows.h"

namespace tiffin::gateway {
namespace {

class OneLine : public StepFunction {
 public:
  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    ASSIGN_OR_RETURN(std::vector<std::string> texts, ReadTextRows(inputs[0]));
    for (std::string& text : texts) {
      for (char& character : text) {
        if (absl::ascii_isspace(static_cast<unsigned char>(character))) character = ' ';
      }
      absl::RemoveExtraAsciiWhitespace(&text);
    }
    return TextRows(texts);
  }

 private:
  const ValueType output_ = SingleType(ValueKind::kText);
};

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeOneLine(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 1 || !arguments[0].keyword.empty() || !IsText(arguments[0])) {
    return UsageError("one_line(text) takes a text", arguments);
  }
  return std::make_unique<OneLine>();
}

}  // namespace tiffin::gateway
