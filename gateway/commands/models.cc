#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_split.h"
#include "common/model/store.h"
#include "common/strings.h"
#include "gateway/commands/command.h"
#include "gateway/commands/help.h"
#include "gateway/commands/models_import.h"
#include "gateway/commands/models_text.h"
#include "gateway/commands/models_verify.h"
#include "gateway/commands/print.h"
#include "gateway/commands/worker_program.h"

// `tiffin models`: what is in the store, and how it gets there.
namespace tiffin::gateway {
namespace {

using Json = nlohmann::json;

// The options of `list` and `show`.
struct ShowOptions {
  std::string reference;
  std::string store;
  bool json = false;
};

model::Store OpenStore(const std::string& dir) {
  return model::Store(dir.empty() ? model::Store::DefaultRoot() : std::filesystem::path(dir));
}

// Lists what can be read even where a model is broken, and fails then.
int List(const ShowOptions& options) {
  const model::Store store = OpenStore(options.store);
  const auto all = store.Versions();
  if (!all.ok()) return ReportError(all.status());
  int exit_code = kExitDone;
  std::vector<model::Model> models;
  for (const auto& [name, versions] : *all) {
    for (const int64_t version : versions) {
      absl::StatusOr<model::Model> model = store.Find(StrCat(name, ":", version));
      if (model.ok()) {
        models.push_back(*std::move(model));
      } else {
        ReportError(model.status());
        exit_code = kExitFailed;
      }
    }
  }
  if (options.json) {
    Json list = Json::array();
    for (const model::Model& model : models) list.push_back(ModelJson(model));
    PrintJson(list);
  } else if (all->empty()) {
    Print(StrCat("no models in ", store.root().string(), "; 'tiffin models import' adds one\n"));
  } else {
    Print(ModelTable(models));
  }
  return exit_code;
}

int Show(const ShowOptions& options) {
  const absl::StatusOr<model::Model> model = OpenStore(options.store).Find(options.reference);
  if (!model.ok()) return ReportError(model.status());
  if (options.json) {
    PrintJson(ModelJson(*model));
  } else {
    Print(ModelText(*model));
  }
  return kExitDone;
}

int Import(ImportOptions options) {
  if (options.store.empty()) options.store = model::Store::DefaultRoot();
  const absl::StatusOr<model::Model> model = ImportModel(options);
  if (!model.ok()) return ReportError(model.status());
  Print(StrCat("imported ", ModelText(*model)));
  return kExitDone;
}

template <typename Text>
void AddStore(CLI::App& command, Text& store) {
  DefaultTo(*command.add_option("--store", store, environment::kStore.meaning),
            environment::kStore);
}

// The flags write into options that the chosen Command shares with them.
void AddList(CLI::App& models, Command& chosen) {
  CLI::App* list = models.add_subcommand("list", "List the models of the store.");
  auto options = std::make_shared<ShowOptions>();
  AddStore(*list, options->store);
  list->add_flag("--json", options->json,
                 "Print JSON instead; its fields are those of model.yaml, dir and digest");
  Teach(
      *list,
      {"tiffin models list --store build/models", "tiffin models list --store build/models --json"},
      "0 done, 1 a model can't be read, 2 wrong usage");
  list->callback([options, &chosen] { chosen = [options] { return List(*options); }; });
}

void AddShow(CLI::App& models, Command& chosen) {
  CLI::App* show = models.add_subcommand("show", "Show one model.");
  auto options = std::make_shared<ShowOptions>();
  show->add_option("model", options->reference, "NAME, NAME:VERSION or NAME:latest")->required();
  AddStore(*show, options->store);
  show->add_flag("--json", options->json,
                 "Print JSON instead; its fields are those of model.yaml, dir and digest");
  Teach(*show,
        {"tiffin models show digits_torch --store build/models",
         "tiffin models show digits_torch:1 --store build/models --json"},
        "0 done, 1 there is no such model, 2 wrong usage");
  show->callback([options, &chosen] { chosen = [options] { return Show(*options); }; });
}

void AddVerify(CLI::App& models, Command& chosen) {
  CLI::App* verify = models.add_subcommand(
      "verify", "Compare the files of models with the digests that model.yaml has of them.");
  auto references = std::make_shared<std::vector<std::string>>();
  auto store = std::make_shared<std::string>();
  verify->add_option("models", *references,
                     "NAME, NAME:VERSION or NAME:latest; all versions of all models, if none");
  AddStore(*verify, *store);
  Teach(*verify,
        {"tiffin models verify --store build/models",
         "tiffin models verify digits_torch:latest digits_xgboost:1 --store build/models"},
        "0 all are as they were imported, 1 one is not, or there is none, 2 wrong usage");
  verify->callback([references, store, &chosen] {
    chosen = [references, store] { return VerifyModels(OpenStore(*store), *references); };
  });
}

// An option that may be given again and again, with one value each time: it must not swallow the
// positional arguments behind it.
CLI::Option* AddRepeated(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                         const std::string& help) {
  return app.add_option(name, values, help)->allow_extra_args(false);
}

void AddImport(CLI::App& models, Command& chosen) {
  CLI::App* import = models.add_subcommand(
      "import", "Bring a model's files into the store, as the next version of NAME.");
  auto options = std::make_shared<ImportOptions>();
  auto labels = std::make_shared<std::string>();
  import->add_option("name", options->name, "The model's name")->required();
  import->add_option("files", options->files, "The model's files")->required();
  import->add_option("--backend", options->backend,
                     "xgboost, torch, ... (default: by the ending: .json and .ubj are xgboost, "
                     ".pt, .pth and .ts torch)");
  AddRepeated(*import, "--input", options->inputs,
              "An input, as in features:fp32[64]; again for each. Rows are left out");
  AddRepeated(*import, "--output", options->outputs, "An output, as in scores:fp32[10]; likewise");
  import->add_flag("--not-batchable", options->not_batchable, "The model takes no rows");
  CLI::Option* label =
      AddRepeated(*import, "--label", options->labels, "What the next output class stands for");
  import->add_option("--labels", *labels, "All labels, with commas between")->excludes(label);
  AddRepeated(*import, "--metadata", options->metadata, "key=value, to keep with the model");
  AddRepeated(*import, "--option", options->options, "key=value, an option of the backend");
  import->add_option("--example", options->example,
                     "One row of each input as JSON, or @FILE with it (default: zeros)");
  AddStore(*import, options->store);
  AddWorkerDir(*import, options->worker_dirs);
  Teach(*import, {"tiffin models import digits build/models/digits_xgboost/1/model.ubj",
                  "tiffin models import digits build/models/digits_torch/1/model.pt "
                  "--input 'features:fp32[64]' --metadata trained=2026"});
  import->callback([options, labels, &chosen] {
    if (!labels->empty()) options->labels = absl::StrSplit(*labels, ',');
  chosen = [options] { return Import(*options); };
});
}  // namespace

}  // namespace tiffin::gateway

void AddModels(CLI::App& app, Command& chosen) {
  CLI::App* models = app.add_subcommand("models", "List, show, verify and import models.");
  models->require_subcommand(1);
  Teach(*models, {"tiffin models list --store build/models"});
  AddList(*models, chosen);
  AddShow(*models, chosen);
  AddVerify(*models, chosen);
  AddImport(*models, chosen);
}

}  // namespace tiffin::gateway
