#include "gateway/api/typed/contract_file.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/config/yaml_source.h"
#include "common/strings.h"
#include "google/protobuf/compiler/parser.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/struct.pb.h"
#include "tiffin/v1/tensor.pb.h"

namespace tiffin::gateway::typed {
namespace {

using config::Diagnostics;
using config::Location;
using google::protobuf::DescriptorPool;
using google::protobuf::DescriptorProto;
using google::protobuf::FileDescriptorProto;

// Protobuf counts lines and columns from 0, and -1 is the whole file.
Location FromProtobuf(int line, int column) {
  return line < 0 ? Location{} : Location{line + 1, column + 1};
}

// The parser calls itself for each brace in another, without a limit of its own.
constexpr int kMaxNesting = 32;
// Each pair of them is compared.
constexpr int kMaxReserved = 1000;
// A file that is wrong everywhere would be searched for each of its errors.
constexpr size_t kMaxErrors = 100;

class ParseErrors : public google::protobuf::io::ErrorCollector {
 public:
  explicit ParseErrors(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    diagnostics_.Add(FromProtobuf(line, column),
                     StrCat("not the text of a .proto file: ", message));
  }

 private:
  Diagnostics& diagnostics_;
};

// Where the message stands that `element` is or is in, or better: its field; by full name.
Location FindElement(const FileDescriptorProto& file, const std::string& element) {
  Location found;
  for (const auto& location : file.source_code_info().location()) {
    const auto& path = location.path();
    const bool in_message =
        path.size() >= 2 && path[0] == FileDescriptorProto::kMessageTypeFieldNumber;
    if (!in_message) continue;
    const DescriptorProto& message = file.message_type(path[1]);
    std::string name = StrCat(file.package(), ".", message.name());
    if (path.size() == 4 && path[2] == DescriptorProto::kFieldFieldNumber) {
      name += StrCat(".", message.field(path[3]).name());
    } else if (path.size() != 2) {
      continue;
    }
    if (element == name || element.starts_with(StrCat(name, "."))) {
      found = FromProtobuf(location.span(0), location.span(1));  // A field comes after its message.
    }
  }
  return found;
}

class BuildErrors : public DescriptorPool::ErrorCollector {
 public:
  BuildErrors(const google::protobuf::compiler::SourceLocationTable& locations,
              const FileDescriptorProto& file, Diagnostics& diagnostics)
      : locations_(locations), file_(file), diagnostics_(diagnostics) {}
  void AddError(const std::string& /*filename*/, const std::string& element,
                const google::protobuf::Message* descriptor, ErrorLocation location,
                const std::string& message) override {
    if (diagnostics_.size() >= kMaxErrors) return;
    int line = -1;
    int column = 0;
    const bool found = location == IMPORT
                           ? locations_.FindImport(descriptor, element, &line, &column)
                           : locations_.Find(descriptor, location, &line, &column);
    diagnostics_.Add(found ? FromProtobuf(line, column) : FindElement(file_, element), message);
  }

 private:
  const google::protobuf::compiler::SourceLocationTable& locations_;
  const FileDescriptorProto& file_;
  Diagnostics& diagnostics_;
};

// Where braces are nested deeper than any contract needs.
std::optional<Location> FindDeepBrace(std::string_view text) {
  config::Diagnostics ignored("");  // The parser tells.
  ParseErrors errors(ignored);
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  google::protobuf::io::Tokenizer tokenizer(&stream, &errors);
  int depth = 0;
  while (tokenizer.Next()) {
    const auto& token = tokenizer.current();
    if (token.text == "{" && ++depth > kMaxNesting) return FromProtobuf(token.line, token.column);
    if (token.text == "}") depth = std::max(depth - 1, 0);
  }
  return std::nullopt;
}

int CountReserved(const DescriptorProto& message) {
  int count = message.reserved_range_size();
  for (const DescriptorProto& nested : message.nested_type()) count += CountReserved(nested);
  return count;
}

}  // namespace

// The compiled-in types that contracts import are loaded before the pool looks for them by name.
ContractFile::ContractFile() : pool_(tiffin::v1::Tensor::descriptor()->file()->pool()) {
  google::protobuf::Value::descriptor();
}

std::unique_ptr<ContractFile> ContractFile::Parse(std::string_view text, const std::string& name,
                                                  Diagnostics& diagnostics) {
  if (std::optional<config::BadByte> bad = config::FindBadByte(text)) {
    diagnostics.Add(bad->location, std::move(bad->message));
    return nullptr;
  }
  if (const std::optional<Location> deep = FindDeepBrace(text)) {
    diagnostics.Add(*deep,
                    "braces are nested too deep; a contract has only messages and a service");
    return nullptr;
  }
  const size_t before = diagnostics.size();
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  ParseErrors parse_errors(diagnostics);
  google::protobuf::io::Tokenizer tokenizer(&stream, &parse_errors);
  google::protobuf::compiler::SourceLocationTable locations;
  google::protobuf::compiler::Parser parser;
  parser.RecordErrorsTo(&parse_errors);
  parser.RecordSourceLocationsTo(&locations);
  parser.SetRequireSyntaxIdentifier(true);
  FileDescriptorProto proto;
  proto.set_name(name);
  parser.Parse(&tokenizer, &proto);
  if (diagnostics.size() > before) return nullptr;

  if (proto.syntax() != "proto3") {
    diagnostics.Add({1, 1}, "the contract of a typed API is in proto3; write syntax = \"proto3\";");
    return nullptr;
  }
  for (const DescriptorProto& message : proto.message_type()) {
    if (CountReserved(message) <= kMaxReserved) continue;
    diagnostics.Add(FindElement(proto, StrCat(proto.package(), ".", message.name())),
                    StrCat("message '", message.name(), "' reserves more than ", kMaxReserved,
                           " ranges of numbers; join them to fewer"));
    return nullptr;
  }
  BuildErrors build_errors(locations, proto, diagnostics);
  std::unique_ptr<ContractFile> file(new ContractFile);
  file->descriptor_ = file->pool_.BuildFileCollectingErrors(proto, &build_errors);
  return file->descriptor_ == nullptr ? nullptr : std::move(file);
}

Location ContractFile::LocationAt(const std::vector<int>& path) const {
  google::protobuf::SourceLocation location;
  return descriptor_->GetSourceLocation(path, &location) ? StartOf(location) : Location{};
}

Location ContractFile::StartOf(const google::protobuf::SourceLocation& location) {
  return FromProtobuf(location.start_line, location.start_column);
}

}  // namespace tiffin::gateway::typed
