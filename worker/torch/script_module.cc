#include "worker/torch/script_module.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/runtime/jit_exception.h>
#include <torch/csrc/jit/serialization/import.h>

#include <exception>
#include <new>
#include <string_view>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/torch/device.h"

namespace tiffin::worker {
namespace {

namespace jit = torch::jit;

// What an interpreter's traceback ends with: the error itself.
std::string LastLine(std::string_view text) {
  text = Trim(text);
  const size_t line = text.rfind('\n');
  return std::string(line == std::string_view::npos ? text : Trim(text.substr(line + 1)));
}

// To be called within a `catch`: the exception as a status.
absl::Status CurrentException() {
  try {
    throw;
  } catch (const jit::JITException& error) {
    return absl::InvalidArgumentError(LastLine(error.what()));
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory left");
  } catch (const c10::Error& error) {
    return absl::InternalError(LastLine(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    const std::string_view text = error.what();
    // The interpreter turns all that operators throw into a runtime_error with their text.
    if (text.find("DefaultCPUAllocator: can't allocate") != std::string_view::npos) {
      return absl::ResourceExhaustedError(StrCat("no memory left: ", LastLine(text)));
    }
    return absl::InternalError(LastLine(text));
  } catch (...) {
    return absl::InternalError("an exception of an unknown type");
  }
}

absl::Status NotAModel(const std::filesystem::path& file, std::string_view why) {
  return absl::InvalidArgumentError(
      StrCat("'", file.string(), "' is not a whole TorchScript model: ", why,
             "; save it with torch.jit.script(model).save(FILE), then run 'tiffin models import'"));
}

// Looks into the archive before anything in it is given a meaning.
absl::Status CheckArchive(const std::filesystem::path& file) {
  caffe2::serialize::PyTorchStreamReader archive(file.string());
  for (const std::string& record : archive.getAllRecords()) {
    if (record.ends_with(".so") || record.find("aotinductor") != std::string::npos) {
      return NotAModel(file, "it is a package of native code (AOTInductor)");
    }
  }
  if (!archive.hasRecord("constants.pkl")) {
    return NotAModel(file, "it has no code, only data (as torch.save and torch.export write it)");
  }
  return absl::OkStatus();
}

void SetThreads(int threads) {
  at::set_num_threads(threads);
  // May be set once in a process.
  if (at::get_num_interop_threads() != 1) at::set_num_interop_threads(1);
  // The profiling executor would watch the first calls and compile in a later one, and again for
  // every new shape.
  jit::getProfilingMode() = false;
}

// Nodes whose work is out of the graph's sight.
bool HidesItsWrites(const jit::Node& node) {
  switch (node.kind()) {
    case c10::prim::CallFunction:
    case c10::prim::CallMethod:
    case c10::prim::fork:
    case c10::prim::awaitable:
    case c10::prim::rpc_async:
    case c10::prim::rpc_sync:
    case c10::prim::rpc_remote:
    case c10::prim::PythonOp:
      return true;
    default:
      return false;
  }
}

// True if a node of `block` may write into the memory of `value` or of what holds it.
bool AnyWriteReaches(const jit::AliasDb& aliases, const jit::Block& block, jit::Value* value) {
  for (const jit::Node* node : block.nodes()) {
    if (HidesItsWrites(*node)) return true;
    const c10::FunctionSchema* schema = node->maybeSchema();
    const size_t inputs = schema == nullptr ? 0 : node->inputs().size();
    for (size_t i = 0; i < inputs && i < schema->arguments().size(); ++i) {
      const c10::AliasInfo* alias = schema->arguments()[i].alias_info();
      if (alias == nullptr || !alias->isWrite()) continue;
      // A const Node has const inputs, but alias analysis asks for others.
      auto* written = const_cast<jit::Value*>(node->inputs()[i]);
      if (aliases.mayContainAlias(written, value)) return true;
    }
    for (const jit::Block* inner : node->blocks()) {
      if (AnyWriteReaches(aliases, *inner, value)) return true;
    }
  }
  return false;
}

// For each argument of `forward` but self.
std::vector<bool> FindWrites(jit::Function& forward) {
  const std::shared_ptr<jit::Graph> graph = jit::toGraphFunction(forward).graph()->copy();
  jit::Inline(*graph);
  const jit::AliasDb aliases(graph);
  std::vector<bool> may_write;
  for (size_t i = 1; i < graph->inputs().size(); ++i) {
    jit::Value* input = graph->inputs()[i];
    may_write.push_back(aliases.hasWriters(input) ||
                        AnyWriteReaches(aliases, *graph->block(), input));
  }
  return may_write;
}

absl::Status AddTensor(const c10::IValue& value, ScriptModule::Answer& answer) {
  if (!value.isTensor() || !value.toTensor().defined()) {
    return absl::InternalError(StrCat("the model answers a ", value.tagKind(),
                                      "; it must answer tensors: one, a tuple or list of them, or ",
                                      "a dict from text to them"));
  }
  const at::Tensor& tensor = value.toTensor();
  if (tensor.layout() != at::kStrided || tensor.is_quantized()) {
    return absl::InternalError("the model answers a sparse or quantized tensor; make it dense");
  }
  answer.tensors.push_back(tensor.cpu());
  return absl::OkStatus();
}

absl::StatusOr<ScriptModule::Answer> ToAnswer(const c10::IValue& value) {
  ScriptModule::Answer answer;
  if (value.isTuple()) {
    const auto& tuple = value.toTupleRef();
    for (const c10::IValue& element : tuple.elements()) {
      RETURN_IF_ERROR(AddTensor(element, answer));
    }
    const auto type = tuple.type();
    if (type->schema() != nullptr) {
      for (const auto& field : type->schema()->arguments()) answer.names.push_back(field.name());
    }
  } else if (value.isTensorList()) {
    for (const at::Tensor& tensor : value.toTensorVector()) {
      RETURN_IF_ERROR(AddTensor(tensor, answer));
    }
  } else if (value.isGenericDict()) {
    answer.is_dict = true;
    for (const auto& entry : value.toGenericDict()) {
      if (!entry.key().isString()) {
        return absl::InternalError("the model answers a dict whose keys are not text");
      }
      answer.names.push_back(entry.key().toStringRef());
      RETURN_IF_ERROR(AddTensor(entry.value(), answer));
    }
  } else {
    RETURN_IF_ERROR(AddTensor(value, answer));
  }
  return answer;
}

}  // namespace

absl::StatusOr<ScriptModule> ScriptModule::Load(const std::filesystem::path& file,
                                                const BackendConfig& config) {
  ASSIGN_OR_RETURN(const c10::Device device, FindDevice(config.device));
  try {
    SetThreads(config.threads);
    RETURN_IF_ERROR(CheckArchive(file));
    jit::Module module = jit::load(file.string(), device);
    module.eval();
    if (!module.find_method("forward").has_value()) return NotAModel(file, "it has no 'forward'");
    // Not frozen: in LibTorch 2.13 an error raised inside a frozen module ends the process.
    return ScriptModule(module, device);
  } catch (...) {
    return NotAModel(file, Message(CurrentException()));
  }
}

ScriptModule::ScriptModule(torch::jit::Module module, c10::Device device)
    : module_(std::move(module)),
      device_(device),
      forward_(&module_.get_method("forward").function()) {
  const auto& arguments = forward_->getSchema().arguments();
  for (size_t i = 1; i < arguments.size(); ++i) argument_names_.push_back(arguments[i].name());
  may_write_into_ = FindWrites(*forward_);
}

bool ScriptModule::TakesTensor(size_t argument) const {
  const c10::TypePtr& type = forward_->getSchema().arguments()[argument + 1].type();
  return c10::TensorType::get()->isSubtypeOf(*type);
}

bool ScriptModule::HasDefault(size_t argument) const {
  return forward_->getSchema().arguments()[argument + 1].default_value().has_value();
}

absl::StatusOr<ScriptModule::Answer> ScriptModule::Run(const std::vector<size_t>& arguments,
                                                       std::vector<at::Tensor> tensors) {
  try {
    // How many threads an operator uses is a property of the thread that calls it.
    at::internal::lazy_init_num_threads();
    const c10::InferenceMode guard;
    const auto& schema = forward_->getSchema().arguments();
    torch::jit::Stack stack(schema.size());
    stack[0] = module_._ivalue();
    for (size_t i = 1; i < schema.size(); ++i) {
      if (schema[i].default_value().has_value()) stack[i] = *schema[i].default_value();
    }
    for (size_t i = 0; i < arguments.size(); ++i) {
      stack[arguments[i] + 1] = tensors[i].to(device_);  // The same tensor where it is there.
    }
    return ToAnswer((*forward_)(std::move(stack)));
  } catch (...) {
    return CurrentException();
  }
}

}  // namespace tiffin::worker
