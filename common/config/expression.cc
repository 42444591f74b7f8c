#include "common/config/expression.h"

#include <cmath>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "common/config/name_hint.h"
#include "common/strings.h"

namespace tiffin::config {
namespace {

// Of lists within lists: as deep as a tensor literal gets.
constexpr int kMaxListDepth = 16;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// A recursive descent over one expression. The first error ends it, for what follows would be
// guesses; it has been reported when a function gives nullopt or false.
class ExpressionParser {
 public:
  ExpressionParser(const ExpressionText& source, Diagnostics& diagnostics)
      : source_(source), text_(source.text), diagnostics_(diagnostics) {}

  std::optional<CallExpression> Call();
  std::optional<Reference> WholeReference();

 private:
  bool Arguments(CallExpression& call);
  bool AddArgument(CallExpression& call, std::set<std::string>& keywords);
  std::optional<std::variant<Reference, Literal>> Value();
  std::optional<Reference> ReferenceFrom(std::string first, size_t begin);
  std::optional<Literal> LiteralValue(int depth);
  std::optional<Literal> Number();
  std::optional<Literal> Text();
  std::optional<Literal> List(int depth);
  std::optional<std::string> Name(std::string_view what);
  // A name that a model's signature gives, not the service file: capitals are its own business.
  std::optional<std::string> SignatureName(std::string_view what);

  void SkipSpace() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  // The next character that is no space, '\0' at the end.
  char Peek() {
    SkipSpace();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool Take(char c) {
    if (Peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  std::string_view Word() {
    SkipSpace();
    const size_t begin = at_;
    while (at_ < text_.size() && (IsWordStart(text_[at_]) || IsDigit(text_[at_]))) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  // What comes next, for a message.
  std::string Found() {
    const char c = Peek();
    if (at_ >= text_.size()) return "the end";
    if (IsWordStart(c) || IsDigit(c)) {
      const size_t begin = at_;
      std::string word = Quoted(Word());
      at_ = begin;
      return word;
    }
    size_t end = at_ + 1;
    while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80) ++end;
    return Quoted(text_.substr(at_, end - at_));
  }
  std::nullopt_t Fail(size_t offset, std::string message) {
    diagnostics_.Add(source_.At(offset), std::move(message));
    return std::nullopt;
  }

  const ExpressionText& source_;
  std::string_view text_;
  Diagnostics& diagnostics_;
  size_t at_ = 0;
};

std::optional<std::string> ExpressionParser::Name(std::string_view what) {
  SkipSpace();
  const size_t begin = at_;
  if (!IsWordStart(Peek())) {
    return Fail(begin, StrCat("expected ", WithArticle(what), ", found ", Found()));
  }
  const std::string_view word = Word();
  if (std::string error = NameError(what, word); !error.empty()) {
    return Fail(begin, std::move(error));
  }
  return std::string(word);
}

std::optional<std::string> ExpressionParser::SignatureName(std::string_view what) {
  SkipSpace();
  if (!IsWordStart(Peek())) {
    return Fail(at_, StrCat("expected ", WithArticle(what), ", found ", Found()));
  }
  return std::string(Word());
}

std::optional<CallExpression> ExpressionParser::Call() {
  CallExpression call;
  SkipSpace();
  call.location = source_.At(at_);
  std::optional<std::string> callee = Name("runner or function");
  if (!callee.has_value()) return std::nullopt;
  call.callee = *std::move(callee);
  if (Take('.')) {
    std::optional<std::string> method = SignatureName("method");
    if (!method.has_value()) return std::nullopt;
    call.method = *std::move(method);
  }
  if (!Take('(')) {
    return Fail(at_, StrCat("expected '(', found ", Found(), "; a step is a call such as ",
                            call.callee, "(argument)"));
  }
  if (!Arguments(call)) return std::nullopt;
  if (Peek(); at_ < text_.size()) {
    return Fail(at_, StrCat(Found(),
                            " after the call; a step is one call: remove it, or make it a "
                            "step of its own"));
  }
  return call;
}

// What stands between '(' and ')', and the ')'.
bool ExpressionParser::Arguments(CallExpression& call) {
  if (Take(')')) return true;
  std::set<std::string> keywords;
  do {
    if (!AddArgument(call, keywords)) return false;
  } while (Take(','));
  if (Take(')')) return true;
  Fail(at_, StrCat("expected ',' or ')', found ", Found(), "; close the call with ')'"));
  return false;
}

bool ExpressionParser::AddArgument(CallExpression& call, std::set<std::string>& keywords) {
  Argument argument;
  SkipSpace();
  argument.location = source_.At(at_);
  // `name=` is told from a value by looking two words ahead.
  const size_t begin = at_;
  const std::string_view word = Word();
  const bool has_keyword = !word.empty() && !IsDigit(word[0]) && Peek() == '=';
  at_ = begin;
  if (has_keyword) {
    std::optional<std::string> keyword = SignatureName("argument");
    if (!keyword.has_value()) return false;
    argument.keyword = *std::move(keyword);
    Take('=');
    if (!keywords.insert(argument.keyword).second) {
      diagnostics_.Add(argument.location, StrCat("argument '", argument.keyword,
                                                 "' is given twice; remove one of them"));
    }
  } else if (!keywords.empty()) {
    diagnostics_.Add(argument.location,
                     "an argument without a name follows one with a name; move it to the front");
  }
  auto value = Value();
  if (!value.has_value()) return false;
  argument.value = *std::move(value);
  call.arguments.push_back(std::move(argument));
  return true;
}

std::optional<std::variant<Reference, Literal>> ExpressionParser::Value() {
  SkipSpace();
  const size_t begin = at_;
  const std::string_view word = IsWordStart(Peek()) ? Word() : std::string_view();
  at_ = begin;
  if (word.empty() || word == "true" || word == "false") {
    std::optional<Literal> literal = LiteralValue(0);
    if (!literal.has_value()) return std::nullopt;
    return *std::move(literal);
  }
  std::optional<std::string> name = Name("value");
  if (!name.has_value()) return std::nullopt;
  std::optional<Reference> reference = ReferenceFrom(*std::move(name), begin);
  if (!reference.has_value()) return std::nullopt;
  return *std::move(reference);
}

// What may follow the first name of a reference, which starts at `begin`.
std::optional<Reference> ExpressionParser::ReferenceFrom(std::string first, size_t begin) {
  Reference reference{std::move(first), ""};
  if (Take('.')) {
    std::optional<std::string> output = SignatureName("output");
    if (!output.has_value()) return std::nullopt;
    reference.output = *std::move(output);
  }
  if (Peek() == '(') {
    return Fail(begin, StrCat("a call can't stand here; make '", reference.name,
                              "(...)' a step of its own and write that step's name"));
  }
  return reference;
}

std::optional<Reference> ExpressionParser::WholeReference() {
  SkipSpace();
  const size_t begin = at_;
  std::optional<std::string> name = Name("value");
  if (!name.has_value()) return std::nullopt;
  std::optional<Reference> reference = ReferenceFrom(*std::move(name), begin);
  if (reference.has_value() && (Peek(), at_ < text_.size())) {
    return Fail(at_, StrCat(Found(), " after '", reference->name,
                            "'; write an input, a step, or step.output"));
  }
  return reference;
}

std::optional<Literal> ExpressionParser::LiteralValue(int depth) {
  const char c = Peek();
  if (c == '\'') return Text();
  if (c == '[') return List(depth);
  if (c == '-' || IsDigit(c)) return Number();
  if (c == '"') {
    return Fail(at_, "text stands in single quotes: write 'text'");
  }
  const size_t begin = at_;
  const std::string_view word = Word();
  if (word == "true") return Literal{true};
  if (word == "false") return Literal{false};
  at_ = begin;
  if (depth > 0 && !word.empty()) {
    return Fail(begin, StrCat("a list holds literals only, not ", Quoted(word),
                              "; give it as an argument of its own"));
  }
  return Fail(begin, StrCat("expected a value, found ", Found(),
                            "; write a name, a number, true, false, 'text' or a [list]"));
}

std::optional<Literal> ExpressionParser::Number() {
  const size_t begin = at_;
  const auto digits = [this] {
    const size_t first = at_;
    while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
    return at_ > first;
  };
  bool whole = true;
  if (text_[at_] == '-') ++at_;
  bool valid = digits();
  if (at_ < text_.size() && text_[at_] == '.') {
    whole = false;
    ++at_;
    valid = digits() && valid;
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    whole = false;
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) ++at_;
    valid = digits() && valid;
  }
  // Such as `1a` or `1.2.3`.
  while (at_ < text_.size() &&
         (IsWordStart(text_[at_]) || IsDigit(text_[at_]) || text_[at_] == '.')) {
    valid = false;
    ++at_;
  }
  const std::string_view number = text_.substr(begin, at_ - begin);
  if (!valid) {
    return Fail(begin, StrCat(Quoted(number), " is no number; write one such as 3, -0.5 or 1e-3"));
  }
  if (whole) {
    int64_t value = 0;
    if (absl::SimpleAtoi(ToAbsl(number), &value)) return Literal{value};
    return Fail(begin, StrCat(Quoted(number), " is beyond 64 bits; write a smaller number"));
  }
  double value = 0;
  if (absl::SimpleAtod(ToAbsl(number), &value) && std::isfinite(value)) return Literal{value};
  return Fail(begin, StrCat(Quoted(number), " is beyond a double; write a smaller number"));
}

std::optional<Literal> ExpressionParser::Text() {
  const size_t begin = at_;
  std::string value;
  for (++at_; at_ < text_.size(); ++at_) {
    if (text_[at_] != '\'') {
      value += text_[at_];
    } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
      value += text_[++at_];
    } else {
      ++at_;
      return Literal{std::move(value)};
    }
  }
  return Fail(begin,
              "text without an end; write ' behind it (in YAML ' #' begins a comment: if it "
              "is cut there, put the step in double quotes)");
}

std::optional<Literal> ExpressionParser::List(int depth) {
  if (depth == kMaxListDepth) {
    return Fail(at_, StrCat("lists more than ", kMaxListDepth, " deep; make it flatter"));
  }
  std::vector<Literal> items;
  Take('[');
  if (Take(']')) return Literal{std::move(items)};
  do {
    std::optional<Literal> item = LiteralValue(depth + 1);
    if (!item.has_value()) return std::nullopt;
    items.push_back(*std::move(item));
  } while (Take(','));
  if (Take(']')) return Literal{std::move(items)};
  return Fail(at_, StrCat("expected ',' or ']', found ", Found(), "; close the list with ']'"));
}

}  // namespace

ExpressionText ExpressionOf(const YamlNode& node) {
  return {node.text, node.text_location.value_or(node.location), node.text_location.has_value()};
}

std::optional<CallExpression> ParseCall(const ExpressionText& source, Diagnostics& diagnostics) {
  return ExpressionParser(source, diagnostics).Call();
}

std::optional<Reference> ParseReference(const ExpressionText& source, Diagnostics& diagnostics) {
  return ExpressionParser(source, diagnostics).WholeReference();
}

std::optional<CallExpression> ParseCallExpression(std::string_view text, Location location,
                                                  Diagnostics& diagnostics) {
  const bool one_line = text.find('\n') == text.npos;
  return ParseCall({text, location, one_line}, diagnostics);
}

}  // namespace tiffin::config
