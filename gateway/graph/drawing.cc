#include "gateway/graph/drawing.h"

#include <set>
#include <string_view>
#include <tuple>

#include "absl/strings/str_replace.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

// A string of DOT. A model may call its outputs anything.
std::string Quoted(std::string_view text) {
  return StrCat("\"",
                absl::StrReplaceAll(ToAbsl(text), {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}),
                "\"");
}

// Prefixes keep inputs, steps and outputs of one name apart.
std::string InputNode(const TensorSpec& input) { return Quoted(StrCat("input ", input.name)); }
std::string StepNode(const PlannedStep& step) { return Quoted(StrCat("step ", step.name)); }
std::string OutputNode(const TensorSpec& output) { return Quoted(StrCat("output ", output.name)); }

class Drawing {
 public:
  explicit Drawing(const PlannedApi& api) : api_(api) {}

  std::string Draw() {
    text_ = StrCat("digraph ", Quoted(StrCat(api_.service, ".", api_.name)),
                   " {\n"
                   "  rankdir=LR;\n"
                   "  bgcolor=white;\n"
                   "  node [fontname=\"Helvetica,Arial,sans-serif\", fontsize=12];\n"
                   "  edge [fontname=\"Helvetica,Arial,sans-serif\", fontsize=10];\n");
    for (const TensorSpec& input : api_.inputs) Node(InputNode(input), input.name, "shape=oval");
    if (api_.program != nullptr) DrawProgram();
    for (const PlannedStep& step : api_.steps) {
      Node(StepNode(step), StrCat(step.name, "\n", step.callee),
           step.call() != nullptr ? "shape=box" : "shape=box, style=dashed");
    }
    for (const PlannedOutput& output : api_.outputs) {
      Node(OutputNode(output.spec), output.spec.name, "shape=oval");
    }
    for (const PlannedStep& step : api_.steps) {
      for (const CallArgument& argument : step.arguments) {
        const auto* source = std::get_if<ValueSource>(&argument);
        if (source != nullptr) Arrow(*source, StepNode(step));
      }
    }
    if (api_.program != nullptr) return text_ + "}\n";
    for (const PlannedOutput& output : api_.outputs) Arrow(output.source, OutputNode(output.spec));
    return text_ + "}\n";
  }

 private:
  // What is inside of it can't be seen.
  void DrawProgram() {
    const std::string node = Quoted("program");
    Node(node, StrCat(api_.name, "\nC++"), "shape=box, style=dashed");
    for (const TensorSpec& input : api_.inputs) Line(InputNode(input), node, ToString(input.type));
    for (const PlannedStep& step : api_.steps) Line(node, StepNode(step), "");
    for (const PlannedOutput& output : api_.outputs) {
      Line(node, OutputNode(output.spec), ToString(output.spec.type));
    }
  }

  void Node(const std::string& node, std::string_view label, std::string_view look) {
    text_ += StrCat("  ", node, " [label=", Quoted(label), ", ", look, "];\n");
  }

  // A value that one step takes twice is one arrow.
  void Arrow(const ValueSource& source, const std::string& to) {
    const bool is_input = source.from == ValueSource::From::kInput;
    const TensorSpec& value =
        is_input ? api_.inputs[source.index] : api_.steps[source.index].outputs[source.output];
    const std::string from = is_input ? InputNode(value) : StepNode(api_.steps[source.index]);
    const bool is_one_of_many = !is_input && api_.steps[source.index].outputs.size() > 1;
    const std::string label =
        is_one_of_many ? StrCat(value.name, ": ", ToString(value.type)) : ToString(value.type);
    if (!drawn_.emplace(from, to, label).second) return;
    Line(from, to, label);
  }

  void Line(std::string_view from, std::string_view to, std::string_view label) {
    text_ += StrCat("  ", from, " -> ", to, " [label=", Quoted(label), "];\n");
  }

  const PlannedApi& api_;
  std::string text_;
  std::set<std::tuple<std::string, std::string, std::string>> drawn_;  // From, to, label.
};

}  // namespace

std::string DrawInDot(const PlannedApi& api) { return Drawing(api).Draw(); }

}  // namespace tiffin::gateway
