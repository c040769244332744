#include "gpt/formats/unpickler.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"

#include "support/error_text.h"
#include "support/python.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::error_text;
using testing::TempDir;

PickleTree read(const std::string& bytes, const PickleLimits& limits = {}) {
  return unpickle(std::as_bytes(std::span(bytes)), "x.pkl", limits);
}

std::string error_of(const std::string& bytes, const PickleLimits& limits = {}) {
  return error_text([&] { read(bytes, limits); });
}

// A value as pickles.py describes it.
json description(const PickleValue& value) {
  const auto list = [](const char* kind, const PickleItems& items) {
    json out = {kind};
    for (const PickleValue* item : items) out.push_back(description(*item));
    return out;
  };
  if (value.get_if<PickleNone>()) return "None";
  if (const auto* v = value.get_if<bool>()) return *v ? "True" : "False";
  if (const auto* v = value.get_if<std::int64_t>()) return concat("int ", *v);
  if (const auto* v = value.get_if<std::string>()) return "str " + *v;
  if (const auto* v = value.get_if<PickleList>()) return list("list", v->items);
  if (const auto* v = value.get_if<PickleTuple>()) return list("tuple", v->items);
  if (const auto* v = value.get_if<PickleSet>()) {
    json out = list("set", v->items);
    std::sort(out.begin() + 1, out.end());
    return out;
  }
  if (const auto* v = value.get_if<PickleBytes>()) {
    std::string hex = "bytes ";
    for (const char c : v->bytes) hex += format("%02x", static_cast<unsigned char>(c));
    return hex;
  }
  if (const auto* v = value.get_if<PickleDict>()) {
    json out = {"dict"};
    for (const auto& [key, item] : v->items)
      out.push_back(json::array({description(*key), description(*item)}));
    return out;
  }
  ADD_FAILURE() << described(value);
  return {};
}

// Python's float.hex() and ours differ in spelling, so numbers are compared as numbers.
void expect_same(const json& found, const json& expected, const std::string& where) {
  ASSERT_EQ(found.is_array(), expected.is_array()) << where;
  if (!expected.is_array()) {
    EXPECT_EQ(found, expected) << where;
    return;
  }
  ASSERT_EQ(found.size(), expected.size()) << where;
  for (std::size_t i = 0; i < expected.size(); ++i) expect_same(found[i], expected[i], where);
}

TEST(Unpickler, ReadsWhatPythonWritesInEveryProtocol) {
  const TempDir dir;
  const auto made = testing::run_python("python3", "tests/formats/pickles.py", {dir.path()});
  ASSERT_EQ(made.code, 0) << made.out;
  int files = 0;
  for (const char* name : {"texts", "bytes", "containers", "sets", "shared", "ordered", "meta"}) {
    const json expected = json::parse(read_file(dir / (std::string(name) + ".json")));
    for (int protocol = 0; protocol <= 5; ++protocol, ++files) {
      const std::string file = concat(name, ".", protocol, ".pkl");
      expect_same(description(read_pickle(dir / file).root()), expected, file);
    }
  }
  EXPECT_EQ(files, 42);
}

TEST(Unpickler, ReadsNumbersExactly) {
  const TempDir dir;
  ASSERT_EQ(testing::run_python("python3", "tests/formats/pickles.py", {dir.path()}).code, 0);
  const json expected = json::parse(read_file(dir / "scalars.json"));
  for (int protocol = 0; protocol <= 5; ++protocol) {
    const PickleTree tree = read_pickle(dir / concat("scalars.", protocol, ".pkl"));
    const PickleItems& items = items_of(tree.root(), "scalars");
    ASSERT_EQ(items.size() + 1, expected.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string text = expected[i + 1];
      if (const auto* number = items[i]->get_if<double>()) {
        const double wanted = std::stod(text.substr(6));
        EXPECT_EQ(*number, wanted) << protocol << " " << text;
        EXPECT_EQ(std::signbit(*number), std::signbit(wanted)) << protocol << " " << text;
      } else {
        EXPECT_EQ(description(*items[i]), text) << protocol;
      }
    }
  }
}

TEST(Unpickler, SharedObjectsStayShared) {
  const TempDir dir;
  ASSERT_EQ(testing::run_python("python3", "tests/formats/pickles.py", {dir.path()}).code, 0);
  const PickleTree tree = read_pickle(dir / "shared.4.pkl");
  const PickleItems& items = items_of(tree.root(), "shared");
  EXPECT_EQ(items[0], items[1]);
  EXPECT_EQ(items_of(*items[2], "pair")[0], items[0]);
}

TEST(Unpickler, NamesStayNamesAndCallsAreNotMade) {
  for (const char* opcode : {"R", "\x81"}) {
    const PickleTree tree = read(std::string("\x80\x02"
                                             "cos\nsystem\nX\x02\0\0\0ls\x85",
                                             21) +
                                 opcode + ".");
    const auto* object = tree.root().get_if<PickleObject>();
    ASSERT_NE(object, nullptr);
    EXPECT_EQ(object->name, "os.system");
    EXPECT_EQ(text_of(*object->arguments.at(0), "x"), "ls");
    EXPECT_EQ(described(tree.root()), "the result of a call of 'os.system'");
  }
  EXPECT_EQ(read("(ios\nsystem\n.").root().get_if<PickleObject>()->name, "os.system");
  EXPECT_EQ(read("(cos\nsystem\no.").root().get_if<PickleObject>()->name, "os.system");
  EXPECT_EQ(read("c__builtin__\neval\n.").root().get_if<PickleGlobal>()->name, "builtins.eval");
  // What a call returns may be called; its name does not grow for ever.
  const PickleTree twice = read("cf\ng\n)R)R)R.");
  EXPECT_EQ(twice.root().get_if<PickleObject>()->name, "f.g()");
}

TEST(Unpickler, ObjectsBecomeRecordsOfTheirFields) {
  const TempDir dir;
  ASSERT_EQ(testing::run_python("python3", "tests/formats/pickles.py", {dir.path()}).code, 0);
  for (int protocol = 0; protocol <= 5; ++protocol) {
    const std::string file = concat("objects.", protocol, ".pkl");
    const PickleTree tree = read_pickle(dir / file);
    const PickleValue& root = tree.root();
    const auto field = [&](const char* object, const char* key) -> const PickleValue& {
      return member_of(member_of(root, object, file), key, file);
    };
    EXPECT_EQ(integer_of(field("namespace", "n_head"), file), 6) << file;
    EXPECT_EQ(integer_of(field("dataclass", "n_embd"), file), 384) << file;
    EXPECT_EQ(integer_of(field("slots", "width"), file), 7) << file;
    EXPECT_EQ(integer_of(field("dict_class", "a"), file), 1) << file;
    EXPECT_EQ(integer_of(field("keywords", "named"), file), 2) << file;
    EXPECT_EQ(integer_of(field("default", "x"), file), 3) << file;
    EXPECT_EQ(integer_of(field("counter", "b"), file), 2) << file;
    for (const char* key : {"enum", "path", "date", "list_class", "partial", "complex", "range"})
      EXPECT_NE(member_of(root, key, file).get_if<PickleObject>(), nullptr) << file << key;
    EXPECT_NE(member_of(root, "large", file).get_if<PickleLargeInteger>(), nullptr) << file;
    // An object that refers to itself is no harm: nothing walks into it.
    EXPECT_EQ(text_of(field("circle", "name"), file), "me") << file;
  }
}

TEST(Unpickler, NumpysNumbersAndTextsArePlainValues) {
  const std::string python = testing::venv_python("extras");
  if (python.empty()) GTEST_SKIP() << "no numpy in the cache folder; scripts/setup --with-tests";
  const TempDir dir;
  const auto made = testing::run_python(python, "tests/formats/pickles.py", {dir.path()});
  ASSERT_EQ(made.code, 0) << made.out;
  for (int protocol = 0; protocol <= 5; ++protocol) {
    const std::string file = concat("numpy.", protocol, ".pkl");
    const PickleTree tree = read_pickle(dir / file);
    const auto at = [&](const char* key) -> const PickleValue& {
      return member_of(tree.root(), key, file);
    };
    for (const char* key : {"int8", "int16", "int32", "int64"})
      EXPECT_EQ(integer_of(at(key), file), -5) << file << key;
    for (const char* key : {"uint8", "uint16", "uint32", "uint64"})
      EXPECT_EQ(integer_of(at(key), file), 200) << file << key;
    for (const char* key : {"float16", "float32", "float64"})
      EXPECT_EQ(number_of(at(key), file), 1.5) << file << key;
    EXPECT_EQ(bool_of(at("bool"), file), true) << file;
    EXPECT_EQ(text_of(at("text"), file), "caf\u00e9") << file;
    EXPECT_NE(at("huge").get_if<PickleLargeInteger>(), nullptr) << file;
    EXPECT_NE(at("swapped").get_if<PickleObject>(), nullptr) << file;  // big endian: not guessed
  }
}

struct Broken {
  const char* what;
  std::string bytes;
  const char* message;
};

TEST(Unpickler, RefusesWhatIsBroken) {
  using namespace std::string_literals;
  const std::vector<Broken> cases = {
      {"empty", "", "byte 0: the pickle ends without its STOP"},
      {"no stop", "N", "byte 1: the pickle ends without its STOP"},
      {"two values", "NN.", "STOP with 2 values"},
      {"no value", ".", "STOP with 0 values"},
      {"open mark", "(N.", "STOP with 1 values"},
      {"trailing", "N.N", "bytes follow"},
      {"protocol", "\x80\x06N."s, "pickle protocol 6"},
      {"unknown", "\xff."s, "0xff is no pickle opcode"},
      {"pop nothing", "0N.", "there is none"},
      {"below mark", "](a.", "there is none"},
      {"append to text", "X\0\0\0\0Na."s, "expected a list to add to, found the text ''"},
      {"setitem on list", "]NNs.", "expected a dict to add to"},
      {"odd dict", "(Nd.", "key has no value"},
      {"no mark", "t.", "a MARK is expected"},
      {"memo", "h\x07."s, "memo entry 7 was never set"},
      {"memo line", "g-1\n.", "expected a memo index"},
      {"text cut", "X\x05\0\0\0ab."s, "5 bytes are announced, 3 are left"},
      {"text bomb", "\x8d\xff\xff\xff\xff\xff\xff\xff\xff."s, "are announced"},
      {"not utf8", "X\x01\0\0\0\xff."s, "not UTF-8"},
      {"long int cut", "\x8a\x09\1\1\1\1\1\1\1."s, "9 bytes are announced"},
      {"int text", "I12x\n.", "expected an integer, found"},
      {"int overflow", "L9223372036854775808x\n.", "expected an integer, found"},
      {"float text", "Fabc\n.", "expected a number"},
      {"line cut", "I12", "a line without its end"},
      {"escape", "V\\u12\n.", "broken escape"},
      {"surrogate", "V\\ud800\n.", "broken escape"},
      {"escape range", "V\\U00110000\n.", "broken escape"},
      {"call no tuple", "ccollections\nOrderedDict\nNR.", "a call needs"},
      {"call of a value", "N)R.", "a call needs"},
      {"OrderedDict args", "ccollections\nOrderedDict\nK\1\x85R."s, "arguments that no pickler"},
      {"encode codec", "c_codecs\nencode\nX\1\0\0\0aX\4\0\0\0utf8\x86R."s, "no pickler writes"},
      {"build", "NNb.", "BUILD on None"},
      {"python 2", "S'a'\n."s, "Python 2"},
      {"OBJ", "(No."s, "OBJ without a class"},
      {"extension", "\x82\1."s, "a registered class"},
      {"duplicate", "}(K\1NK\1Nu."s, "has the key 1 twice"},
      {"duplicate text", "}(X\1\0\0\0aNX\1\0\0\0aNu."s, "has the key 'a' twice"},
      {"cycle", "]q\0h\0a."s, "contains itself"},
      {"cycle in dict", "}q\0Nh\0s."s, "contains itself"},
  };
  for (const Broken& broken : cases)
    EXPECT_NE(error_of(broken.bytes).find(broken.message), std::string::npos)
        << broken.what << ": " << error_of(broken.bytes);
}

TEST(Unpickler, HoldsItsLimits) {
  const std::string deep = std::string(100, ']') + std::string(99, 'a') + ".";
  EXPECT_NE(error_of(deep).find("deeper than 64"), std::string::npos);
  EXPECT_EQ(error_of(std::string(64, ']') + std::string(63, 'a') + "."), "");
  EXPECT_NE(error_of(std::string(65, ']') + std::string(64, 'a') + ".").find("deeper than 64"),
            std::string::npos);
  // Two million levels: neither the check nor the destructors may recurse that far.
  const std::string abyss = std::string(2'000'000, ']') + std::string(1'999'999, 'a') + ".";
  EXPECT_NE(error_of(abyss).find("deeper than 64"), std::string::npos);
  EXPECT_NE(error_of("(NNNNt.", {.opcodes = 3}).find("more than 3 opcodes"), std::string::npos);
  EXPECT_NE(error_of("(NNNNt.", {.values = 3}).find("more than 3 values"), std::string::npos);
  EXPECT_NE(error_of(std::string("Nq\0q\1q\2.", 8), {.memo = 2}).find("more than 2 memo"),
            std::string::npos);
  EXPECT_NE(error_of(std::string("X\4\0\0\0abcd.", 10), {.text_bytes = 3}).find("at most 3"),
            std::string::npos);
}

// A few bytes that call for the same bytes or items again and again.
TEST(Unpickler, CallsDoNotMultiplyBytes) {
  std::string bytes("c_codecs\nencode\nq\0X\0\1\0\0", 23);
  bytes += std::string(256, 'a') + std::string("q\1X\6\0\0\0latin1q\2", 15) + "0";
  std::string calls = "]";
  for (int i = 0; i < 200; ++i) calls += std::string("h\0h\1h\2\x86Ra", 9);
  EXPECT_NE(error_of(bytes + "00" + calls + ".").find("far more bytes than the file has"),
            std::string::npos)
      << error_of(bytes + "00" + calls + ".");
  std::string sets("]q\0(", 4);
  sets += std::string(100, 'N') + "e0cbuiltins\nset\nq" + std::string(1, '\1') + "0]";
  for (int i = 0; i < 40; ++i) sets += std::string("h\1h\0\x85Ra", 7);
  EXPECT_NE(error_of(sets + ".", {.values = 3000}).find("copy more than 3000 values"),
            std::string::npos)
      << error_of(sets + ".", {.values = 3000});
}

// A list of twice the list below it, 60 times over: 2^60 elements if it were unfolded.
TEST(Unpickler, SharingDoesNotBlowUp) {
  std::string bytes = "]";
  for (int i = 0; i < 60; ++i)
    bytes += "q" + std::string(1, '\0') + "0](h" + std::string(1, '\0') + "h" +
             std::string(1, '\0') + "e";
  EXPECT_EQ(error_of(bytes + "."), "");
}

TEST(Unpickler, EveryTruncationAndManyDamagesAreErrorsOrValues) {
  const TempDir dir;
  ASSERT_EQ(testing::run_python("python3", "tests/formats/pickles.py", {dir.path()}).code, 0);
  for (int protocol = 0; protocol <= 5; ++protocol) {
    const std::string whole = read_file(dir / concat("meta.", protocol, ".pkl"));
    for (std::size_t length = 0; length < whole.size(); ++length)
      EXPECT_NE(error_of(whole.substr(0, length)), "") << protocol << " " << length;
    for (std::size_t at = 0; at < whole.size(); ++at)
      for (int bit = 0; bit < 8; ++bit) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
        error_of(damaged);  // whatever it says, it comes back
      }
  }
}

TEST(PickleValue, AccessorsSayWhereAndWhat) {
  const PickleTree tree = read(std::string("}X\1\0\0\0aK\5s.", 11));
  EXPECT_EQ(integer_of(member_of(tree.root(), "a", "f"), "f.a"), 5);
  EXPECT_EQ(number_of(member_of(tree.root(), "a", "f"), "f.a"), 5.0);
  EXPECT_EQ(error_text([&] { member_of(tree.root(), "b", "f"); }), "f: key 'b' is missing");
  EXPECT_EQ(error_text([&] { text_of(member_of(tree.root(), "a", "f"), "f.a"); }),
            "f.a: expected a text, found the integer 5");
  EXPECT_EQ(error_text([&] { items_of(tree.root(), "f"); }),
            "f: expected a list, found a dict of 1");
}

}  // namespace
}  // namespace gpt
