#include "gateway/api/typed/contract.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/strings.h"
#include "gateway/api/typed/proto_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"

namespace tiffin::gateway::typed {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::FileDescriptorProto;
using ::testing::ElementsAre;
using testing::FakeServing;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using testing::Spec;

// What a contract of one api says, around the fields of its request.
std::string Contract(const std::string& request) {
  return StrCat(R"(syntax = "proto3";
package tiffin.services.demo;
import "google/protobuf/struct.proto";
import "tiffin/v1/tensor.proto";
message RunRequest {
)",
                request, R"(
}
message RunReply {
  optional string answer = 1;
}
service Demo {
  rpc Run(RunRequest) returns (RunReply);
}
)");
}

class ContractTest : public ::testing::Test {
 protected:
  void AddRun(std::vector<TensorSpec> inputs) {
    serving_.AddApi("demo", "run", std::move(inputs), {Spec("answer", "text")});
  }
  FileDescriptorProto Describe(const std::string& contract) {
    return DescribeUnderContract(serving_.services()[0], contract, diagnostics_);
  }
  // Name and number of the fields of the first request, in order.
  std::vector<std::pair<std::string, int>> Numbers(const std::string& contract) {
    std::vector<std::pair<std::string, int>> numbers;
    const FileDescriptorProto file = Describe(contract);
    for (const auto& field : file.message_type(0).field()) {
      numbers.emplace_back(field.name(), field.number());
    }
    EXPECT_EQ(diagnostics_.ToString(), "");
    return numbers;
  }
  std::string Errors(const std::string& contract) {
    config::Diagnostics diagnostics("service.proto");
    DescribeUnderContract(serving_.services()[0], contract, diagnostics);
    return diagnostics.ToString();
  }

  FakeServing serving_;
  config::Diagnostics diagnostics_{"service.proto"};
};

TEST_F(ContractTest, FieldsKeepTheirNumbersInAnyOrder) {
  AddRun({Spec("b", "text"), Spec("a", "image"), Spec("c", "json"), Spec("d", "fp32[2]")});
  EXPECT_THAT(Numbers(Contract("optional bytes a = 1; optional string b = 2;\n"
                               "optional google.protobuf.Value c = 7; optional v1.Tensor d = 3;")),
              ElementsAre(Pair("b", 2), Pair("a", 1), Pair("c", 7), Pair("d", 3)));
}

TEST_F(ContractTest, NewFieldsGetTheNextFreeNumbers) {
  AddRun({Spec("new", "text"), Spec("a", "text"), Spec("newer", "text")});
  EXPECT_THAT(Numbers(Contract("optional string a = 3;")),
              ElementsAre(Pair("new", 4), Pair("a", 3), Pair("newer", 5)));
}

TEST_F(ContractTest, ReservedNumbersAreNotGivenAgain) {
  AddRun({Spec("a", "text"), Spec("b", "text"), Spec("c", "text")});
  EXPECT_THAT(Numbers(Contract("optional string a = 1; reserved 6 to 9, 2 to 4; reserved 5;")),
              ElementsAre(Pair("a", 1), Pair("b", 10), Pair("c", 11)));
}

TEST_F(ContractTest, NumbersOfProtobufItselfAreNotGiven) {
  AddRun({Spec("a", "text"), Spec("b", "text")});
  EXPECT_THAT(Numbers(Contract("optional string a = 18998; reserved 18999, 20000;")),
              ElementsAre(Pair("a", 18998), Pair("b", 20001)));
}

TEST_F(ContractTest, AllNumbersMayBeTaken) {
  AddRun({Spec("a", "text"), Spec("b", "text")});
  for (const char* request :
       {"optional string a = 1; reserved 2 to max;", "optional string a = 536870911;"}) {
    EXPECT_THAT(Errors(Contract(request)),
                HasSubstr("service.proto:5:1: input 'b' of api 'run' can't have a number"));
  }
}

TEST_F(ContractTest, WhatIsReservedStaysReserved) {
  AddRun({Spec("a", "text")});
  const FileDescriptorProto file =
      Describe(Contract("optional string a = 1; reserved 2, 5 to 7; reserved \"old\";"));
  const DescriptorProto& request = file.message_type(0);
  ASSERT_EQ(request.reserved_range_size(), 2);
  EXPECT_EQ(request.reserved_range(1).start(), 5);
  EXPECT_EQ(request.reserved_range(1).end(), 8);
  EXPECT_THAT(request.reserved_name(), ElementsAre("old"));
}

TEST_F(ContractTest, OptionsStay) {
  AddRun({Spec("a", "text")});
  const FileDescriptorProto file =
      Describe(Contract("optional string a = 1 [deprecated = true, json_name = \"A\"];") +
               "option go_package = \"example.com/demo\";");
  EXPECT_EQ(file.options().go_package(), "example.com/demo");
  EXPECT_TRUE(file.message_type(0).field(0).options().deprecated());
  EXPECT_EQ(file.message_type(0).field(0).json_name(), "A");
}

TEST_F(ContractTest, AnAddedApiIsCompatible) {
  AddRun({Spec("a", "text")});
  serving_.AddApi("demo", "more", {Spec("x", "text")}, {Spec("y", "text")});
  const FileDescriptorProto file = Describe(Contract("optional string a = 4;"));
  EXPECT_EQ(diagnostics_.ToString(), "");
  EXPECT_EQ(file.message_type(0).field(0).number(), 4);
  EXPECT_EQ(file.message_type(2).field(0).number(), 1);
  EXPECT_EQ(file.service(0).method_size(), 2);
}

TEST_F(ContractTest, WhatIsWrittenIsAContractThatChangesNothing) {
  AddRun({Spec("b", "text"), Spec("a", "fp32[2]"), Spec("c", "json")});
  serving_.AddApi("demo", "rows", {Spec("x", "text"), Spec("y", "json")}, {}).has_rows = true;
  const std::string text =
      ProtoFiles(serving_.services())->at("tiffin/services/demo/service.proto");
  const FileDescriptorProto described = Describe(text);
  EXPECT_EQ(diagnostics_.ToString(), "") << text;
  EXPECT_EQ(described.DebugString(), DescribeService(serving_.services()[0]).DebugString());
}

TEST_F(ContractTest, IncompatibleChangesAreErrorsWithAPlaceAndAFix) {
  AddRun({Spec("a", "text")});
  struct Case {
    const char* request;
    const char* error;
  };
  for (const Case& bad : {
           Case{"optional string a = 1;\noptional string gone = 2;",
                "service.proto:7:1: input 'gone' of api 'run' is not in the service file any more, "
                "and clients know it: put it back under its name; or, to break with them, write "
                "'reserved 2; reserved \"gone\";' here in its place"},
           Case{"  optional bytes a = 1;",
                "service.proto:6:3: input 'a' of api 'run' is 'optional bytes' here, but its type "
                "in the service file makes it 'optional string'; give it its type back, or add an "
                "input of another name"},
           Case{"string a = 1;", "service.proto:6:1: input 'a' of api 'run' is 'string' here"},
           Case{"repeated string a = 1;", "'repeated string' here"},
           Case{"oneof o { string a = 1; }", "'oneof string' here"},
           Case{"map<string, string> a = 1;", "'repeated tiffin.services.demo.RunRequest.AEntry'"},
           Case{"reserved \"a\";",
                "service.proto:5:1: input 'a' of api 'run' has a name that is "
                "reserved here"},
           Case{"optional string a = 1; message Inner {}",
                "message 'Inner' is nothing that an api"},
           Case{"optional string a = 1; enum Inner { ZERO = 0; }", "enum 'Inner' is nothing"},
       }) {
    EXPECT_THAT(Errors(Contract(bad.request)), HasSubstr(bad.error));
  }
}

TEST_F(ContractTest, MethodsThatAreGoneOrOtherAreErrors) {
  AddRun({Spec("a", "text")});
  const std::string head = "syntax = \"proto3\";\npackage tiffin.services.demo;\n";
  const std::string messages =
      "message RunRequest { optional string a = 1; }\n"
      "message RunReply { optional string answer = 1; }\n";
  const auto errors = [&](const std::string& rest) { return Errors(head + messages + rest); };
  const std::string gone = errors(
      "message OldRequest {}\nmessage OldReply {}\n"
      "service Demo {\n  rpc Old(OldRequest) returns (OldReply);\n}\n");
  EXPECT_THAT(gone, HasSubstr("service.proto:8:3: method 'Old' is of no api of the service file"));
  EXPECT_THAT(gone, Not(HasSubstr("\n")));  // Its messages are no errors of their own.
  EXPECT_THAT(errors("service Demo { rpc Run(RunRequest) returns (stream RunReply); }"),
              HasSubstr("must be 'rpc Run(RunRequest) returns (RunReply);'"));
  EXPECT_THAT(errors("service Demo { rpc Run(RunReply) returns (RunReply); }"),
              HasSubstr("must be 'rpc Run(RunRequest) returns (RunReply);'"));
  EXPECT_THAT(errors("service Domo { rpc Run(RunRequest) returns (RunReply); }"),
              HasSubstr("service.proto:5:1: service 'Domo' is not 'Demo'"));
  EXPECT_THAT(errors("message Extra {}"), HasSubstr("message 'Extra' is nothing that an api"));
  EXPECT_THAT(errors("enum Extra { ZERO = 0; }"), HasSubstr("enum 'Extra' is nothing that an"));
  EXPECT_THAT(Errors("syntax = \"proto3\";\npackage tiffin.services.other;"),
              HasSubstr("service.proto:2:1: this is the contract of package "
                        "'tiffin.services.other', but service 'demo' is package"));
  EXPECT_EQ(errors(""), "");
}

TEST_F(ContractTest, AllErrorsComeInOneRun) {
  AddRun({Spec("a", "text")});
  const std::string errors =
      Errors(Contract("optional bytes a = 1;\noptional string x = 2;\noptional string y = 3;"));
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 2) << errors;
}

TEST_F(ContractTest, WhatIsNoProtoFileIsAnErrorWithAPlace) {
  AddRun({Spec("a", "text")});
  struct Case {
    std::string text;
    const char* error;
  };
  std::string deep = "syntax = \"proto3\";";
  for (int i = 0; i < 50'000; ++i) deep += "message A {";
  std::string numbers;
  for (int i = 0; i < 100'000; ++i) numbers += "1,";
  for (const Case& bad : {
           Case{"", "syntax"},
           Case{"package tiffin.services.demo;", "service.proto:1:1: "},
           Case{"syntax = \"proto2\";", "in proto3"},
           Case{"syntax = \"proto3\";\nmessage {", "service.proto:2:9: "},
           Case{Contract("optional string a = 1;\noptional string a = 2;"), "service.proto:7:17: "},
           Case{Contract("optional string a = 1;\noptional string b = 1;"), "service.proto:7:21: "},
           Case{Contract("optional string a = 1;\nreserved 1;"), "service.proto:6:1: "},
           Case{Contract("optional Nothing a = 1;"), "service.proto:6:10: "},
           Case{"syntax = \"proto3\";\nimport \"no/such.proto\";", "service.proto:2:1: "},
           Case{"syntax = \"proto3\";\noption (odd) = 1;", "service.proto:2:8: "},
           Case{std::string("\0\1", 2), "service.proto:1:1: "},
           Case{"syntax = \"proto3\";\n// \xFF", "service.proto:2:4: "},
           Case{deep, "braces are nested too deep"},
           Case{std::string(500'000, '{'), "service.proto:1:33: braces are nested too deep"},
           Case{std::string(200'000, '}') + std::string(200'000, '{'),
                "braces are nested too deep"},
           Case{Contract("reserved " + numbers + "1;"),
                "service.proto:5:1: message 'RunRequest' "
                "reserves more than 1000"},
           Case{std::string((1 << 20) + 1, ' '), "service.proto: the file is larger than 1 MiB"},
       }) {
    EXPECT_THAT(Errors(bad.text), HasSubstr(bad.error)) << bad.text.substr(0, 200);
  }
}

}  // namespace
}  // namespace tiffin::gateway::typed
