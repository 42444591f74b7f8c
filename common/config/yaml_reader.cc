#include "common/config/yaml_reader.h"

#include <algorithm>
#include <exception>
#include <map>
#include <sstream>
#include <utility>

#include "common/config/name_hint.h"
#include "common/config/yaml_source.h"
#include "common/strings.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/mark.h"
#include "yaml-cpp/parser.h"

namespace tiffin::config {
namespace {

// Deeper than any options need, and far from the end of the stack.
constexpr size_t kMaxDepth = 32;
// How often a file is read again with steps put in quotes.
constexpr int kMaxPasses = 20;
// More are not looked for in one pass.
constexpr size_t kMaxTraps = 100;
// Beyond this size it is not read again: a person's file is smaller.
constexpr size_t kMaxRepairedSize = 64 * 1024;

constexpr std::string_view kCommaTrap =
    "a ',' ends an unquoted step inside { }; put the step in double quotes, or on a line of its "
    "own outside { }";
constexpr std::string_view kStepColonTrap =
    "a ': ' inside an unquoted step makes it a key; put the step in double quotes";
constexpr std::string_view kValueColonTrap =
    "a ': ' inside an unquoted value makes it a key; put the value in double quotes";
constexpr std::string_view kBracketTrap =
    "a '[' ends an unquoted value inside { }; put the value in double quotes";

constexpr std::string_view kOpenQuote = "the file ends inside quotes; close them";

// A step that YAML would cut in pieces, and where it stands.
struct Trap {
  YamlSource::Range range;
  // False if its end is not on its line.
  bool has_end = false;
  std::string_view message;
};

// Builds the tree of the first document from yaml-cpp's events.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const YamlSource& source, Diagnostics& diagnostics)
      : source_(source), diagnostics_(diagnostics) {}

  std::optional<YamlNode> TakeRoot() { return std::move(root_); }
  const std::vector<Trap>& traps() const { return traps_; }

  // Tells what `error` is about, by what was read last.
  void OnException(const YAML::Exception& error);

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) {
      Report(mark, "a second document starts here; keep one service in a file");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(Begin(YamlNode::Kind::kNull, mark, "?", anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    if (Skipping()) return;
    Report(mark, "aliases are not supported; write out what it stands for");
    Add(Begin(YamlNode::Kind::kBroken, mark, "?", 0));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    Open(YamlNode::Kind::kSequence, mark, tag, anchor, style);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Open(YamlNode::Kind::kMap, mark, tag, anchor, style);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A key whose value is still to come.
  struct Key {
    std::string text;
    Location location;
    bool dropped = false;  // Reported; its value goes nowhere.
  };
  // A sequence or map that is still open.
  struct Frame {
    YamlNode node;
    bool flow = false;
    std::optional<Key> key;
    std::map<std::string, int> key_lines;  // Key -> its line.
  };
  struct LastScalar {
    YAML::Mark mark;
    std::string text;
    bool plain = false;
  };

  bool Skipping() const { return skipped_depth_ > 0 || documents_ > 1; }
  Location At(const YAML::Mark& mark) const {
    if (mark.is_null()) return {1, 1};
    return source_.Original(static_cast<size_t>(mark.line), static_cast<size_t>(mark.column));
  }
  void Report(const YAML::Mark& mark, std::string message) {
    diagnostics_.Add(At(mark), std::move(message));
  }
  YamlNode Begin(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
                 YAML::anchor_t anchor);
  void Open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor, YAML::EmitterStyle::value style);
  void Close();
  void Add(YamlNode node);
  void AddKey(Frame& frame, const YamlNode& node);
  void LookForTrap(const YAML::Mark& mark, const std::string& text);

  const YamlSource& source_;
  Diagnostics& diagnostics_;
  std::vector<Frame> stack_;
  std::optional<YamlNode> root_;
  std::vector<Trap> traps_;
  std::optional<LastScalar> last_scalar_;
  int documents_ = 0;
  size_t skipped_depth_ = 0;
};

YamlNode TreeBuilder::Begin(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
                            YAML::anchor_t anchor) {
  if (!Skipping()) {
    if (anchor != 0) Report(mark, "anchors are not supported; remove the '&...'");
    if (!tag.empty() && tag != "?" && tag != "!") {
      Report(mark, StrCat("tags such as ", Quoted(tag), " are not supported; remove it"));
    }
  }
  YamlNode node;
  node.kind = kind;
  node.location = At(mark);
  return node;
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& value) {
  if (Skipping()) return;
  YamlNode node = Begin(YamlNode::Kind::kScalar, mark, tag, anchor);
  node.text = value;
  node.quoted = tag == "!";
  const auto line = static_cast<size_t>(mark.line);
  const size_t column = static_cast<size_t>(mark.column) + (node.quoted ? 1 : 0);
  const std::string_view source_line = source_.Line(line);
  if (column < source_line.size() && source_line.substr(column).starts_with(value)) {
    node.text_location = source_.Original(line, column);
  }
  // yaml-cpp says nothing if a line ends there.
  if (node.quoted && !source_.HasClosingQuote(line, static_cast<size_t>(mark.column))) {
    Report(mark, std::string(kOpenQuote));
  }
  last_scalar_ = LastScalar{mark, value, !node.quoted};
  if (!node.quoted) LookForTrap(mark, value);
  Add(std::move(node));
}

// In a flow map, "{a: f(g, h)}" is cut into `a: f(g` and `h)`.
void TreeBuilder::LookForTrap(const YAML::Mark& mark, const std::string& text) {
  if (stack_.empty() || !stack_.back().flow || !stack_.back().node.is(YamlNode::Kind::kMap)) return;
  if (!stack_.back().key.has_value() || !StartsAsCall(text)) return;
  if (traps_.size() == kMaxTraps) return;
  if (CallEnd(text) != std::string_view::npos) return;
  Trap trap{
      {static_cast<size_t>(mark.line), static_cast<size_t>(mark.column), 0}, false, kCommaTrap};
  if (!traps_.empty() && traps_.back().range.line == trap.range.line &&
      traps_.back().range.end > trap.range.begin) {
    return;  // A piece of the last one.
  }
  const size_t length = CallEnd(source_.Line(trap.range.line).substr(trap.range.begin));
  trap.has_end = length != std::string_view::npos;
  trap.range.end = trap.range.begin + (trap.has_end ? length : text.size());
  traps_.push_back(trap);
}

// Where the value that starts at `begin` would end, had it been in quotes.
size_t EndOfValue(std::string_view line, size_t begin) {
  const std::string_view rest = line.substr(begin);
  const size_t call = CallEnd(rest);
  if (call != std::string_view::npos) {
    const std::string_view after = Trim(rest.substr(call));
    if (after.empty() || after.starts_with('#')) return begin + call;
  }
  return begin + Trim(rest).size();
}

// What yaml-cpp means by `message`, and the fix.
std::string Explain(std::string_view message) {
  // Not constexpr: yaml-cpp's messages are variables.
  static const std::pair<std::string_view, std::string_view> kExplanations[] = {
      {YAML::ErrorMsg::MAP_VALUE, "a key can't stand here; check the indentation"},
      {YAML::ErrorMsg::MAP_KEY, "a key can't stand here; check the indentation"},
      {YAML::ErrorMsg::END_OF_MAP, "this is no key of the mapping above; check the indentation"},
      {YAML::ErrorMsg::END_OF_SEQ, "this is no item of the list above; check the indentation"},
      {YAML::ErrorMsg::BLOCK_ENTRY, "a list item can't stand here; check the indentation"},
      {YAML::ErrorMsg::END_OF_MAP_FLOW,
       "a '}' is missing before this; close the mapping, and put values with brackets or quotes "
       "inside them in double quotes"},
      {YAML::ErrorMsg::END_OF_SEQ_FLOW,
       "a ']' is missing before this; close the list, and put values with brackets or quotes "
       "inside them in double quotes"},
      {YAML::ErrorMsg::FLOW_END, "this closes nothing; remove it"},
      {YAML::ErrorMsg::TAB_IN_INDENTATION, "a tab in the indentation; use spaces"},
      {YAML::ErrorMsg::EOF_IN_SCALAR, kOpenQuote},
      {YAML::ErrorMsg::UNKNOWN_TOKEN,
       "an unquoted value can't start with this character; put the value in double quotes"},
      {YAML::ErrorMsg::UNKNOWN_ANCHOR, "aliases are not supported; write out what it stands for"},
      {YAML::ErrorMsg::BAD_FILE, "nested too deeply; make it flatter"},
  };
  for (const auto& [known, explanation] : kExplanations) {
    if (known == message) return std::string(explanation);
  }
  return StrCat("not YAML: ", message, "; fix it");
}

void TreeBuilder::OnException(const YAML::Exception& error) {
  const auto line = static_cast<size_t>(std::max(error.mark.line, 0));
  const auto column = static_cast<size_t>(std::max(error.mark.column, 0));
  const bool in_flow = !stack_.empty() && stack_.back().flow;
  if (skipped_depth_ > 0) return;  // Too deep for yaml-cpp as well, and reported.
  if (in_flow && !traps_.empty() && line >= traps_.back().range.line) return;  // Its consequence.

  const std::string_view text = source_.Line(line);
  if (last_scalar_.has_value() && last_scalar_->plain &&
      static_cast<size_t>(last_scalar_->mark.line) == line) {
    const auto begin = static_cast<size_t>(last_scalar_->mark.column);
    if (error.msg == YAML::ErrorMsg::MAP_VALUE && !in_flow && begin < text.size()) {
      const size_t end = EndOfValue(text, begin);
      traps_.push_back({{line, begin, end},
                        end > begin,
                        StartsAsCall(text.substr(begin)) ? kStepColonTrap : kValueColonTrap});
      return;
    }
    const size_t close = text.find(']', column);
    if (in_flow && column == begin + last_scalar_->text.size() && column < text.size() &&
        text[column] == '[' && close != std::string_view::npos) {
      traps_.push_back({{line, begin, close + 1}, true, kBracketTrap});
      return;
    }
  }
  Report(error.mark, Explain(error.msg));
}

void TreeBuilder::Open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor, YAML::EmitterStyle::value style) {
  if (!Skipping() && stack_.size() == kMaxDepth) {
    Report(mark, StrCat("nested more than ", kMaxDepth, " deep; make it flatter"));
    skipped_depth_ = 1;
    return;
  }
  if (Skipping()) {
    ++skipped_depth_;
    return;
  }
  stack_.push_back({Begin(kind, mark, tag, anchor), style == YAML::EmitterStyle::Flow, {}, {}});
}

void TreeBuilder::Close() {
  if (skipped_depth_ > 0) {
    if (--skipped_depth_ == 0 && documents_ == 1) {
      YamlNode node;
      node.kind = YamlNode::Kind::kBroken;
      Add(std::move(node));
    }
    return;
  }
  YamlNode node = std::move(stack_.back().node);
  stack_.pop_back();
  Add(std::move(node));
}

void TreeBuilder::Add(YamlNode node) {
  if (Skipping()) return;
  if (stack_.empty()) {
    root_ = std::move(node);
    return;
  }
  Frame& frame = stack_.back();
  if (frame.node.is(YamlNode::Kind::kSequence)) {
    frame.node.items.push_back(std::move(node));
    return;
  }
  if (!frame.key.has_value()) {
    AddKey(frame, node);
    return;
  }
  Key key = *std::move(frame.key);
  frame.key.reset();
  if (key.dropped) return;
  // yaml-cpp places a missing value on the next line.
  if (node.is(YamlNode::Kind::kNull)) node.location = key.location;
  frame.node.entries.push_back({std::move(key.text), key.location, std::move(node)});
}

void TreeBuilder::AddKey(Frame& frame, const YamlNode& node) {
  frame.key = Key{node.text, node.location};
  if (!node.is(YamlNode::Kind::kScalar)) {
    if (!node.is(YamlNode::Kind::kBroken)) {
      diagnostics_.Add(node.location, "a key must be a plain word; write `key: value`");
    }
    frame.key->dropped = true;
    return;
  }
  const auto [first, is_new] = frame.key_lines.emplace(node.text, node.location.line);
  if (!is_new) {
    diagnostics_.Add(node.location,
                     StrCat("duplicate key ", Quoted(node.text), ", which is on line ",
                            first->second, " already; remove or rename one of them"));
    frame.key->dropped = true;
  }
}

// One reading of `source`: the tree, or nullopt if it can't be read to its end.
struct Reading {
  std::optional<YamlNode> root;
  std::vector<Trap> traps;
};

Reading ReadOnce(const YamlSource& source, Diagnostics& diagnostics) {
  TreeBuilder builder(source, diagnostics);
  bool whole = false;
  try {
    std::istringstream stream(source.text());
    YAML::Parser parser(stream);
    // The second time only tells whether there is a second document.
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
    whole = true;
  } catch (const YAML::Exception& error) {
    builder.OnException(error);
  } catch (const std::exception& error) {
    diagnostics.Add({1, 1}, StrCat("the file can't be read as YAML (", error.what(), ")"));
  }
  Reading reading{std::nullopt, builder.traps()};
  if (whole) reading.root = builder.TakeRoot();
  return reading;
}

}  // namespace

std::optional<YamlNode> ReadYaml(std::string_view text, Diagnostics& diagnostics) {
  YamlSource source{std::string(text)};
  for (int pass = 1;; ++pass) {
    // Only what the last reading says counts, but for the traps.
    Diagnostics found = diagnostics;
    Reading reading = ReadOnce(source, found);
    bool can_repair = !reading.traps.empty() && pass < kMaxPasses && text.size() < kMaxRepairedSize;
    for (const Trap& trap : reading.traps) {
      const Location location = source.Original(trap.range.line, trap.range.begin);
      diagnostics.Add(location, std::string(trap.message));
      found.Add(location, std::string(trap.message));
      can_repair = can_repair && trap.has_end;
    }
    if (!can_repair) {
      diagnostics = std::move(found);
      if (!reading.traps.empty()) return std::nullopt;
      return std::move(reading.root);
    }
    // From the last one, so that the columns of the others stay.
    for (auto trap = reading.traps.rbegin(); trap != reading.traps.rend(); ++trap) {
      source.Quote(trap->range);
    }
  }
}

}  // namespace tiffin::config
