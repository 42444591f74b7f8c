#pragma once

#include "common/keys/key.h"

// Every key of model.yaml, with what may stand there.
namespace tiffin::model {

extern const keys::Section kModelSection;   // The whole file.
extern const keys::Section kMethodSection;  // methods.NAME
extern const keys::Section kTensorSection;  // An item of its inputs or outputs.

}  // namespace tiffin::model
