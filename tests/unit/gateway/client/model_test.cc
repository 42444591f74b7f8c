#include "gateway/client/model.h"

#include <gtest/gtest.h>

namespace tiffin::gateway::client {
namespace {

inference::ModelMetadataResponse::TensorMetadata Tensor(const std::string& name,
                                                        const std::string& datatype,
                                                        std::initializer_list<int64_t> shape) {
  inference::ModelMetadataResponse::TensorMetadata tensor;
  tensor.set_name(name);
  tensor.set_datatype(datatype);
  for (const int64_t size : shape) tensor.add_shape(size);
  return tensor;
}

TEST(ModelTest, TypesAreThoseOfServiceFiles) {
  inference::ModelMetadataResponse metadata;
  metadata.set_name("demo.go");
  *metadata.add_inputs() = Tensor("picture", "BYTES", {1});
  *metadata.add_inputs() = Tensor("notes", "BYTES", {-1});
  *metadata.add_outputs() = Tensor("scores", "FP32", {-1, 10});
  auto& properties = *metadata.mutable_properties();
  properties["input.picture"] = "image";
  properties["input.notes"] = "text";
  properties["output.scores"] = "fp32[10]";

  const Model model = ModelOf(metadata);

  EXPECT_EQ(model.SignatureText(),
            "demo.go(picture: image, notes: text[rows]) -> (scores: fp32[rows,10])");
  EXPECT_EQ(model.inputs[0].Pattern(), Shape({1}));
  EXPECT_EQ(model.outputs[0].Pattern(), Shape({-1, 10}));
}

TEST(ModelTest, AServerThatSaysLessGivesTensorsAndBytes) {
  inference::ModelMetadataResponse metadata;
  metadata.set_name("other");
  *metadata.add_inputs() = Tensor("a", "BYTES", {1});
  *metadata.add_inputs() = Tensor("b", "INT64", {-1, 2});

  const Model model = ModelOf(metadata);

  EXPECT_EQ(model.SignatureText(), "other(a: bytes, b: int64[-1,2]) -> ()");
  EXPECT_FALSE(model.inputs[1].has_rows);
}

}  // namespace
}  // namespace tiffin::gateway::client
