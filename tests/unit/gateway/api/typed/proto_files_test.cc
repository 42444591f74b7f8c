#include "gateway/api/typed/proto_files.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gateway/api/typed/descriptors.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::typed {
namespace {

using google::protobuf::FieldDescriptor;
using ::testing::ElementsAre;
using testing::FakeServing;
using ::testing::HasSubstr;
using ::testing::Key;
using testing::Spec;

class ProtoFilesTest : public ::testing::Test {
 protected:
  // One service with everything.
  void AddDemo() {
    serving_.AddApi("inference_graph_demo", "predict",
                    {Spec("input_image", "image"), Spec("options", "json")},
                    {Spec("verdict", "text"), Spec("scores", "fp32[10]")});
    serving_
        .AddApi("inference_graph_demo", "score_rows",
                {Spec("features", "fp32[64]"), Spec("captions", "text"), Spec("extra", "json"),
                 Spec("weight", "fp32[]")},
                {Spec("blobs", "bytes")})
        .has_rows = true;
  }

  FakeServing serving_;
};

TEST_F(ProtoFilesTest, NamesBecomeCamelCase) {
  EXPECT_EQ(CamelCase("inference_graph_demo"), "InferenceGraphDemo");
  EXPECT_EQ(CamelCase("a1_b__c_"), "A1BC");
  EXPECT_EQ(ServiceFullName("ocr"), "tiffin.services.ocr.Ocr");
}

TEST_F(ProtoFilesTest, DescriptorsHaveTheNamesAndTypesOfTheService) {
  AddDemo();
  const auto descriptors = *Descriptors::Create(serving_.services());
  EXPECT_THAT(descriptors->service_names(),
              ElementsAre("tiffin.services.inference_graph_demo.InferenceGraphDemo"));
  const Method* predict =
      descriptors->FindMethod("/tiffin.services.inference_graph_demo.InferenceGraphDemo/Predict");
  ASSERT_NE(predict, nullptr);
  EXPECT_EQ(predict->api, &serving_.services()[0].apis[0]);
  const auto* request = predict->request->GetDescriptor();
  EXPECT_EQ(request->full_name(), "tiffin.services.inference_graph_demo.PredictRequest");
  EXPECT_EQ(request->file()->name(), "tiffin/services/inference_graph_demo/service.proto");
  EXPECT_EQ(request->field(0)->type(), FieldDescriptor::TYPE_BYTES);
  EXPECT_EQ(request->field(0)->number(), 1);
  EXPECT_TRUE(request->field(0)->has_presence());
  EXPECT_TRUE(request->field(0)->has_optional_keyword());
  EXPECT_EQ(request->real_oneof_decl_count(), 0);
  EXPECT_EQ(request->field(1)->message_type()->full_name(), "google.protobuf.Value");
  const auto* reply = predict->reply->GetDescriptor();
  EXPECT_EQ(reply->field(0)->type(), FieldDescriptor::TYPE_STRING);
  EXPECT_EQ(reply->field(1)->message_type()->full_name(), "tiffin.v1.Tensor");

  const auto* rows = descriptors->pool().FindMessageTypeByName(
      "tiffin.services.inference_graph_demo.ScoreRowsRequest");
  ASSERT_NE(rows, nullptr);
  EXPECT_FALSE(rows->field(0)->is_repeated());  // A tensor's rows are in its shape.
  EXPECT_TRUE(rows->field(1)->is_repeated());
  EXPECT_TRUE(rows->field(2)->is_repeated());
}

TEST_F(ProtoFilesTest, ClashesAreErrorsThatNameThem) {
  serving_.AddApi("demo", "a_b", {}, {});
  serving_.AddApi("demo", "a__b", {}, {});
  const absl::Status status = Descriptors::Create(serving_.services()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("service 'demo'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("ABRequest"));
}

TEST_F(ProtoFilesTest, FieldsThatClashInJsonAreErrors) {
  serving_.AddApi("demo", "run", {Spec("a_b", "text"), Spec("a__b", "text")}, {});
  EXPECT_EQ(Descriptors::Create(serving_.services()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ProtoFilesTest, OnlyWhatIsUsedIsImported) {
  serving_.AddApi("ocr", "read", {Spec("page", "image")}, {Spec("words", "text")});
  const auto files = *ProtoFiles(serving_.services());
  EXPECT_THAT(files, ElementsAre(Key("tiffin/services/ocr/service.proto")));
  EXPECT_EQ(files.begin()->second.find("import"), std::string::npos);
}

// protoc reads the text and describes it just as the server does.
TEST_F(ProtoFilesTest, ProtocCompilesTheFiles) {
  AddDemo();
  const auto files = *ProtoFiles(serving_.services());
  EXPECT_THAT(files, ElementsAre(Key("tiffin/services/inference_graph_demo/service.proto"),
                                 Key("tiffin/v1/tensor.proto")));
  const std::string& text = files.begin()->second;
  EXPECT_THAT(text, HasSubstr("// fp32[rows,64]\n"));
  EXPECT_THAT(text, HasSubstr("// fp32[rows]\n"));
  EXPECT_THAT(text, HasSubstr("optional bytes input_image = 1;"));

  std::string pattern = (std::filesystem::temp_directory_path() / "tiffin-proto-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const std::filesystem::path dir = pattern;
  for (const auto& [path, content] : files) {
    std::filesystem::create_directories((dir / path).parent_path());
    std::ofstream(dir / path) << content;
  }
  const std::string command = std::string(PROTOC) + " -I " + pattern + " --descriptor_set_out " +
                              pattern + "/set --cpp_out " + pattern +
                              " tiffin/services/inference_graph_demo/service.proto "
                              "tiffin/v1/tensor.proto";
  const int result = std::system(command.c_str());
  google::protobuf::FileDescriptorSet set;
  std::ifstream input(dir / "set", std::ios::binary);
  const bool parsed = set.ParseFromIstream(&input);
  std::filesystem::remove_all(dir);
  EXPECT_EQ(result, 0) << text;
  ASSERT_TRUE(parsed);
  ASSERT_EQ(set.file_size(), 2);

  const auto descriptors = *Descriptors::Create(serving_.services());
  google::protobuf::FileDescriptorProto served;
  const auto* file = descriptors->pool().FindFileByName(set.file(0).name());
  ASSERT_NE(file, nullptr);
  file->CopyTo(&served);
  file->CopyJsonNameTo(&served);
  google::protobuf::util::MessageDifferencer differencer;
  std::string differences;
  differencer.ReportDifferencesToString(&differences);
  EXPECT_TRUE(differencer.Compare(served, set.file(0))) << differences;
}

}  // namespace
}  // namespace tiffin::gateway::typed
