#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "common/controls.h"
#include "common/environment.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/client/argument.h"
#include "gateway/client/connection.h"
#include "gateway/client/inputs.h"
#include "gateway/client/interrupts.h"
#include "gateway/client/outputs.h"
#include "gateway/client/timeline.h"
#include "gateway/commands/client_flags.h"
#include "gateway/commands/command.h"
#include "gateway/commands/help.h"
#include "gateway/commands/print.h"
#include "gateway/commands/terminal.h"
#include "gateway/commands/write_file.h"

// `tiffin call`: a request by hand, to any server that speaks KServe v2.
namespace tiffin::gateway {
namespace {

namespace fs = std::filesystem;
using client::Argument;
using Json = nlohmann::json;

// What stays of the control characters in what people are shown.
constexpr std::string_view kLayout = "\n\t";
constexpr std::string_view kAuthorization = "authorization";

struct CallCommand {
  std::string target;
  std::vector<std::string> inputs;
  std::string address = environment::kAddress.otherwise;
  std::string timeout = "60s";
  std::string request_id;
  std::vector<std::string> metadata;
  std::vector<std::string> outputs;
  std::vector<std::string> each;
  bool json = false;
  bool timing = false;
  ClientFlags security;
};

// "a=b" at its first '='.
absl::StatusOr<std::pair<std::string, std::string>> Split(std::string_view flag,
                                                          const std::string& text,
                                                          std::string_view usage) {
  const size_t equals = text.find('=');
  if (equals != 0 && equals != std::string::npos && equals + 1 < text.size()) {
    return std::make_pair(text.substr(0, equals), text.substr(equals + 1));
  }
  return absl::InvalidArgumentError(StrCat(flag, " ", text, ": write ", usage));
}

bool IsMetadataKey(std::string_view key) {
  return std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

absl::StatusOr<client::CallOptions> OptionsOf(const CallCommand& command) {
  client::CallOptions options;
  if (!absl::ParseDuration(command.timeout, &options.timeout) ||
      options.timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        StrCat("--timeout ", command.timeout, ": write a number and its unit, as in 500ms or 2s"));
  }
  for (const std::string& text : command.metadata) {
    ASSIGN_OR_RETURN(auto pair, Split("--metadata", text, "KEY=VALUE"));
    if (!IsMetadataKey(pair.first) || pair.first.starts_with("grpc-")) {
      return absl::InvalidArgumentError(
          StrCat("--metadata ", text, ": a key has lower-case letters, digits, '-', '_' and '.', ",
                 "and does not begin with grpc-"));
    }
    if (pair.first == kAuthorization) {
      return absl::InvalidArgumentError(
          "--metadata authorization: what a command line says, everybody on this machine can "
          "read; give the token by --token-file FILE or the variable TIFFIN_TOKEN");
    }
    options.metadata.push_back(std::move(pair));
  }
  const auto is_printable = [](char c) { return c >= ' ' && c <= '~'; };
  for (const auto& [key, value] : options.metadata) {
    if (!key.ends_with("-bin") && !std::all_of(value.begin(), value.end(), is_printable)) {
      return absl::InvalidArgumentError(StrCat(
          "--metadata ", key, ": a value is printable ASCII, unless the key ends with -bin"));
    }
  }
  if (!command.request_id.empty()) {
    if (!std::all_of(command.request_id.begin(), command.request_id.end(), is_printable)) {
      return absl::InvalidArgumentError("--request-id: an id is printable ASCII");
    }
    options.metadata.emplace_back("x-request-id", command.request_id);
  }
  if (command.timing) options.metadata.emplace_back("tiffin-timing", "1");
  return options;
}

// The files that --each names, with those of folders, in order.
absl::StatusOr<std::vector<std::string>> FilesOf(const std::vector<std::string>& names) {
  std::vector<std::string> files;
  for (const std::string& name : names) {
    std::error_code code;
    // Of anything else it is not known whether it ends, nor when.
    if (fs::is_regular_file(name, code)) {
      files.push_back(name);
      continue;
    }
    if (!fs::is_directory(name, code)) {
      return absl::InvalidArgumentError(StrCat("--each ", name, ": ",
                                               code ? StrCat("can't read it (", code.message(), ")")
                                                    : std::string("is neither a file nor a folder"),
                                               "; name files, or folders of files"));
    }
    const size_t first = files.size();
    for (fs::directory_iterator entry(name, code); !code && entry != fs::directory_iterator();
         entry.increment(code)) {
      const bool is_hidden = entry->path().filename().string().starts_with(".");
      if (entry->is_regular_file(code) && !is_hidden) files.push_back(entry->path().string());
    }
    if (code) {
      return absl::InvalidArgumentError(
          StrCat("--each ", name, ": can't read the folder (", code.message(), ")"));
    }
    if (files.size() == first) {
      return absl::InvalidArgumentError(StrCat("--each ", name, ": there are no files in it"));
    }
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end());
  }
  return files;
}

// Output -> file.
absl::StatusOr<std::map<std::string, std::string>> OutputFilesOf(const CallCommand& command,
                                                                 const client::Model& model) {
  std::map<std::string, std::string> files;
  for (const std::string& text : command.outputs) {
    ASSIGN_OR_RETURN(const auto pair, Split("--output", text, "NAME=FILE"));
    if (client::FindPort(model.outputs, pair.first) == nullptr) {
      return absl::InvalidArgumentError(StrCat("--output ", text, ": there is no such output",
                                               model.Hint(pair.first, model.outputs)));
    }
    if (!files.insert(pair).second) {
      return absl::InvalidArgumentError(
          StrCat("--output ", text, ": '", pair.first, "' has a file already; name one"));
    }
  }
  return files;
}

// Of one call. A line each where there may be many.
void PrintObject(Json json, const std::string& request_id, const std::string& file) {
  json["request_id"] = request_id.empty() ? Json() : Json(request_id);
  if (file.empty()) {
    PrintJson(json);
    return;
  }
  json["file"] = file;
  Print(StrCat(json.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/false,
                         Json::error_handler_t::replace),
               "\n"));
}

// What went wrong with a call, or before there was one: on stderr, and as JSON where that is
// wanted.
void ShowError(const CallCommand& command, const absl::Status& status,
               const client::InferResult& result, const std::string& file) {
  const std::string code = absl::StatusCodeToString(status.code());
  const std::string line =
      StrCat("tiffin: ", file.empty() ? "" : StrCat(file, ": "), code, ": ", Message(status),
             result.request_id.empty() ? "" : StrCat(" (request ", result.request_id, ")"), "\n");
  std::fputs(IsTerminal(STDERR_FILENO) ? EscapeControls(line, kLayout).c_str() : line.c_str(),
             stderr);
  if (!command.json) return;
  PrintObject({{"error", {{"code", code}, {"message", Message(status)}}}}, result.request_id, file);
}

// One or many calls of a model, with what is printed of each.
class Caller {
 public:
  Caller(const CallCommand& command, client::Connection& connection, client::CallOptions options,
         client::Model model, std::map<std::string, std::string> files)
      : command_(command),
        connection_(connection),
        options_(std::move(options)),
        model_(std::move(model)),
        files_(std::move(files)) {}

  // `file`: the one of --each; empty without. The result is an exit code.
  int Call(const std::vector<Argument>& arguments, const std::string& file) {
    const auto request = client::MakeRequest(model_, arguments);
    if (!request.ok()) {
      ShowError(command_, request.status(), {}, file);
      return ExitCodeOf(request.status());
    }
    const client::InferResult result = connection_.Infer(*request, options_);
    absl::Status shown = result.status;
    if (shown.ok()) shown = Show(result, file);
    if (shown.ok()) return kExitDone;
    ShowError(command_, shown, result, file);
    return kExitFailed;
  }

 private:
  absl::Status Show(const client::InferResult& result, const std::string& file) {
    ASSIGN_OR_RETURN(const std::vector<client::Output> outputs,
                     client::OutputsOf(model_, result.response));
    for (const client::Output& output : outputs) {
      const auto to = files_.find(output.port.spec.name);
      if (to == files_.end()) continue;
      ASSIGN_OR_RETURN(const std::string content, client::OutputFile(output, to->second));
      RETURN_IF_ERROR(WriteFile(to->second, content));
    }
    return command_.json ? ShowJson(outputs, result, file) : ShowText(outputs, result, file);
  }

  absl::Status ShowJson(const std::vector<client::Output>& outputs,
                        const client::InferResult& result, const std::string& file) {
    Json values = Json::object();
    for (const client::Output& output : outputs) {
      if (files_.contains(output.port.spec.name)) continue;
      ASSIGN_OR_RETURN(values[output.port.spec.name], client::OutputJson(output));
    }
    Json json = {{"outputs", std::move(values)}};
    if (command_.timing) {
      json["timing"] = Json::parse(result.timing, /*cb=*/nullptr, /*allow_exceptions=*/false);
      if (json["timing"].is_discarded()) json["timing"] = nullptr;
    }
    PrintObject(std::move(json), result.request_id, file);
    return absl::OkStatus();
  }

  absl::Status ShowText(const std::vector<client::Output>& outputs,
                        const client::InferResult& result, const std::string& file) {
    std::string text;
    for (const client::Output& output : outputs) {
      if (files_.contains(output.port.spec.name)) continue;
      text += StrCat(text.empty() ? "" : "\n",
                     outputs.size() > 1 ? StrCat(output.port.spec.name, ": ") : std::string(),
                     client::OutputText(output));
    }
    if (!file.empty()) {
      std::replace(text.begin(), text.end(), '\n', ' ');
      text = StrCat(fs::path(file).filename().string(), ": ", text);
    }
    std::string timing;
    if (command_.timing) {
      if (result.timing.empty()) {
        return absl::UnimplementedError("the server sends no timeline; --timing needs tiffin's");
      }
      ASSIGN_OR_RETURN(const client::Timeline timeline, client::ParseTimeline(result.timing));
      text += absl::StrFormat("    [%.2f ms]", static_cast<double>(timeline.total_us) / 1000);
      timing = client::DrawTimeline(timeline, client::TimelineBlock());
    }
    if (!text.empty()) text += "\n";
    text += timing;
    Print(IsTerminal(STDOUT_FILENO) ? EscapeControls(text, kLayout) : text);
    return absl::OkStatus();
  }

  const CallCommand& command_;
  client::Connection& connection_;
  const client::CallOptions options_;
  const client::Model model_;
  const std::map<std::string, std::string> files_;  // Of outputs.
};

int CallAll(const CallCommand& command, const std::vector<Argument>& arguments,
            const std::vector<std::string>& files, client::Interrupts& interrupts) {
  absl::StatusOr<client::CallOptions> options = OptionsOf(command);
  if (!options.ok()) return ReportError(options.status());
  const auto security = SecurityOf(command.security, command.address);
  if (!security.ok()) return ReportError(security.status());
  if (!security->token.empty()) {
    options->metadata.emplace_back(kAuthorization, security::Authorization(security->token));
  }
  absl::StatusOr<client::Connection> connection =
      client::Connection::Create(command.address, *security, interrupts);
  if (!connection.ok()) return ReportError(connection.status());
  absl::StatusOr<client::Model> model = connection->Describe(command.target, *options);
  if (!model.ok()) {
    ShowError(command, model.status(), {}, "");
    return kExitFailed;
  }
  absl::StatusOr<std::map<std::string, std::string>> output_files = OutputFilesOf(command, *model);
  if (!output_files.ok()) return ReportError(output_files.status());
  Caller caller(command, *connection, *options, *std::move(model), *std::move(output_files));
  if (command.each.empty()) return caller.Call(arguments, "");

  int exit_code = kExitDone;
  for (const std::string& file : files) {
    std::vector<Argument> with_file = arguments;
    absl::StatusOr<Argument> argument = client::ReadArgument(StrCat("@", file));
    if (!argument.ok()) {
      ShowError(command, argument.status(), {}, file);
      exit_code = std::max(exit_code, ExitCodeOf(argument.status()));
      continue;
    }
    with_file.push_back(*std::move(argument));
    exit_code = std::max(exit_code, caller.Call(with_file, file));
    if (interrupts.signal() != 0 || connection->unreachable()) break;
  }
  return exit_code;
}

int Call(const CallCommand& command) {
  // Before the signals are watched: who waits for stdin can be interrupted as always.
  std::vector<Argument> arguments;
  for (const std::string& text : command.inputs) {
    absl::StatusOr<Argument> argument = client::ReadArgument(text);
    if (!argument.ok()) return ReportError(argument.status());
    arguments.push_back(*std::move(argument));
  }
  const absl::StatusOr<std::vector<std::string>> files = FilesOf(command.each);
  if (!files.ok()) return ReportError(files.status());
  absl::StatusOr<std::unique_ptr<client::Interrupts>> interrupts = client::Interrupts::Create();
  if (!interrupts.ok()) return ReportError(interrupts.status());
  const int exit_code = CallAll(command, arguments, *files, **interrupts);
  const int signal = (*interrupts)->signal();
  interrupts->reset();
  // What started this sees that it ended by the signal.
  if (signal != 0) {
    std::fflush(stdout);
    std::raise(signal);
  }
  return exit_code;
}

}  // namespace

void AddCall(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<CallCommand>();  // Shared with the command that may run.
  CLI::App* call = app.add_subcommand("call", "Call an API or a runner of a running server.");
  call->add_option("target", options->target,
                   "SERVICE.API, SERVICE.RUNNER or SERVICE.RUNNER.METHOD")
      ->required();
  call->add_option(
      "inputs", options->inputs,
      "NAME=VALUE or NAME=@FILE for each input; just VALUE or @FILE where there is one. "
      "@- is stdin. Text, images and bytes go as they are; json and tensors are JSON, "
      "or .npy files; where an input has rows, again for each");
  call->add_option("--each", options->each,
                   "Call once for each of these files, or of the files in these folders, as the "
                   "input that is left; an answer a line");
  call->add_option("--address", options->address, "The server: HOST:PORT or unix:PATH")
      ->envname(environment::kAddress.name)
      ->capture_default_str();
  call->add_option("--timeout", options->timeout, "Give up after this, as in 500ms or 2s")
      ->capture_default_str();
  CLI::Option* each = call->get_option("--each");
  call->add_option(
          "--request-id", options->request_id,
          "A name for the request, in the server's logs too (default: the server makes one)")
      ->excludes(each);
  call->add_option("--metadata", options->metadata, "KEY=VALUE to send along; again for each")
      ->allow_extra_args(false);
  call->add_option(
          "--output", options->outputs,
          "NAME=FILE: write this output to a file instead, a tensor as .npy where the name "
          "ends so; again for each")
      ->allow_extra_args(false)
      ->excludes(each);
  call->add_flag(
      "--json", options->json,
      "Print one JSON object: outputs (images and bytes as base64), request_id, and timing "
      "if asked for; or error: {code, message}");
  call->add_flag("--timing", options->timing,
                 "Draw when each step ran, and what its time went to, in us");
  AddClientFlags(*call, WithToken::kYes, options->security);
  Group(*call, "Request", {"--address", "--timeout", "--request-id", "--metadata", "--each"});
  Group(*call, "Answer", {"--json", "--timing", "--output"});
  Teach(*call,
        {"tiffin call inference_graph_demo.predict @build/images/digits/digit_7.png",
         "tiffin call inference_graph_demo.predict --each build/images/digits --timing",
         "tiffin call sentiment_analysis.sentiment text='What a lovely dinner!' --json"},
        "0 answered, 1 the call failed, 2 wrong usage or input");
  call->callback([options, &chosen] { chosen = [options] { return Call(*options); }; });
}

}  // namespace tiffin::gateway
