#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "common/controls.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/api/text.h"
#include "gateway/commands/client_flags.h"
#include "gateway/commands/command.h"
#include "gateway/commands/help.h"
#include "gateway/commands/terminal.h"
#include "gateway/top/http_get.h"
#include "gateway/top/scrape.h"
#include "gateway/top/terminal.h"
#include "gateway/top/view.h"

namespace tiffin::gateway {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(5);

struct TopOptions {
  std::string url = "http://127.0.0.1:8000";
  double interval = 2;  // Seconds.
  bool once = false;
  bool json = false;
  ClientFlags security;
};

absl::StatusOr<top::Scrape> Ask(const top::Url& url, const security::ClientSecurity& security) {
  ASSIGN_OR_RETURN(const std::string text, top::HttpGet(url, kTimeout, security));
  ASSIGN_OR_RETURN(top::Scrape scrape, top::ParseScrape(text, absl::Now()));
  if (scrape.of("tiffin_build_info").empty()) {
    return absl::FailedPreconditionError(
        StrCat("what answers at ", top::AuthorityOf(url), " has metrics, but is no Tiffin server"));
  }
  return scrape;
}

top::Colour ColourOfStdout() {
  return StyleOf(STDOUT_FILENO).color ? top::Colour::kAnsi : top::Colour::kPlain;
}

// Where the tables go: a page of the terminal, or lines on stdout.
class Output {
 public:
  static absl::StatusOr<Output> Create(const TopOptions& options) {
    Output output(options);
    if (!options.once && !options.json && top::Terminal::Available()) {
      ASSIGN_OR_RETURN(output.terminal_, top::Terminal::Create());
    }
    return output;
  }

  int keyboard() const { return terminal_ == nullptr ? -1 : STDIN_FILENO; }

  void Show(const top::View& view) {
    view_ = view;
    message_.clear();
    Redraw();
  }
  // Of a page: what it showed stays, under the message.
  void Show(std::string message) {
    message_ = std::move(message);
    Redraw();
  }
  bool is_page() const { return terminal_ != nullptr; }

  void Redraw() {
    if (terminal_ != nullptr) {
      const size_t columns = terminal_->size().columns;
      // One that wraps would be two lines to the terminal, and scroll it.
      const std::string line =
          message_.empty()
              ? ""
              : StrCat(BoundedUtf8(EscapeControls(message_), std::max<size_t>(columns, 3)), "\n\n");
      const std::string table = view_.has_value() ? top::ToText(*view_, columns, ColourOfStdout())
                                                  : "waiting for a second look; q quits\n";
      terminal_->Draw(line + table);
    } else if (view_.has_value()) {
      const std::string text =
          json_ ? top::ToJson(*view_) + "\n" : top::ToText(*view_, 0, ColourOfStdout());
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    }
  }

 private:
  explicit Output(const TopOptions& options) : json_(options.json) {}

  bool json_;
  std::optional<top::View> view_;
  std::string message_;
  std::unique_ptr<top::Terminal> terminal_;  // Null: lines.
};

// Shows and waits until it is told to quit. A server that goes away is an error, but on a page,
// where it may come back.
absl::Status Watch(const TopOptions& options) {
  ASSIGN_OR_RETURN(const top::Url url, top::ParseUrl(options.url));
  if (!url.tls && NamesTls(options.security)) {
    return absl::InvalidArgumentError(
        StrCat(options.url, " is not encrypted, but a flag of TLS is given; write https://"));
  }
  ClientFlags flags = options.security;
  flags.tls = url.tls;
  ASSIGN_OR_RETURN(const security::ClientSecurity security,
                   SecurityOf(flags, top::AuthorityOf(url)));
  ASSIGN_OR_RETURN(top::Scrape before, Ask(url, security));
  ASSIGN_OR_RETURN(top::Signals signals, top::Signals::Create());
  ASSIGN_OR_RETURN(Output output, Output::Create(options));
  if (output.is_page()) output.Redraw();
  absl::Time next = absl::Now() + absl::Seconds(options.interval);
  while (true) {
    const top::Event event = signals.Wait(next - absl::Now(), output.keyboard());
    if (event == top::Event::kQuit) return absl::OkStatus();
    if (event == top::Event::kResized) {
      if (output.is_page()) output.Redraw();
      continue;
    }
    next = absl::Now() + absl::Seconds(options.interval);
    absl::StatusOr<top::Scrape> after = Ask(url, security);
    if (after.ok()) {
      output.Show(top::Compare(before, *after));
      before = *std::move(after);
    } else if (output.is_page()) {
      output.Show(std::string(Message(after.status())));
    } else {
      return after.status();
    }
    if (options.once) return absl::OkStatus();
  }
}

}  // namespace

void AddTop(CLI::App& app, Command& chosen) {
  auto options = std::make_shared<TopOptions>();  // Shared with the command that may run.
  CLI::App* command = app.add_subcommand(
      "top", "Watch a server: rates, latencies, queues and workers, from its /metrics; q quits.");
  command->add_option("url", options->url, "The server's HTTP, as in http://127.0.0.1:8000")
      ->capture_default_str();
  command->add_option("--interval", options->interval, "Seconds from one look to the next")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_flag("--once", options->once, "Print one table, of one interval");
  command->add_flag("--json", options->json, "A JSON object on a line for each interval");
  AddClientFlags(*command, WithToken::kYes, options->security);
  Teach(*command, {"tiffin top", "tiffin top http://127.0.0.1:8000 --once --json"});
  command->callback([options, &chosen] {
    chosen = [options] {
      const absl::Status watched = Watch(*options);
      return watched.ok() ? kExitDone : ReportError(watched);
    };
  });
}

}  // namespace tiffin::gateway
