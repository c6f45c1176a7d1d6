// SPDX-License-Identifier: MIT
#pragma once

#include <ggml-backend.h>
#include <gguf.h>
#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace copyspec_test {

struct FreeRandomModel {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
using RandomModel = std::unique_ptr<llama_model, FreeRandomModel>;

// Tiny llama.cpp models with random weights, made in memory: for what depends on the kind of a model alone.
class RandomModelBuilder {
 public:
  explicit RandomModelBuilder(std::string architecture)
      : metadata_(gguf_init_empty()), architecture_(std::move(architecture)) {
    llama_log_set([](ggml_log_level, char const*, void*) {}, nullptr);
    gguf_set_val_str(metadata_.get(), "general.architecture", architecture_.c_str());
    gguf_set_val_str(metadata_.get(), "tokenizer.ggml.model", "none");
    count("vocab_size", 64).count("context_length", 512).count("embedding_length", 32).count("block_count", 2);
    number("attention.layer_norm_rms_epsilon", 1e-5F);
  }

  RandomModelBuilder& count(std::string const& key, std::uint32_t value) {
    gguf_set_val_u32(metadata_.get(), (architecture_ + "." + key).c_str(), value);
    return *this;
  }

  // One for each layer.
  RandomModelBuilder& counts(std::string const& key, std::vector<std::uint32_t> const& values) {
    gguf_set_arr_data(metadata_.get(), (architecture_ + "." + key).c_str(), GGUF_TYPE_UINT32, values.data(),
                      values.size());
    return *this;
  }

  RandomModelBuilder& number(std::string const& key, float value) {
    gguf_set_val_f32(metadata_.get(), (architecture_ + "." + key).c_str(), value);
    return *this;
  }

  RandomModelBuilder& tokenizer(std::string const& key, std::uint32_t value) {
    gguf_set_val_u32(metadata_.get(), ("tokenizer.ggml." + key).c_str(), value);
    return *this;
  }

  // Texts and types for the tokens, which have none otherwise.
  RandomModelBuilder& texts(std::vector<std::string> const& texts, std::vector<std::int32_t> const& types) {
    std::vector<char const*> pointers;
    for (std::string const& text : texts) pointers.push_back(text.c_str());
    gguf_set_val_str(metadata_.get(), "tokenizer.ggml.model", "llama");
    gguf_set_arr_str(metadata_.get(), "tokenizer.ggml.tokens", pointers.data(), pointers.size());
    gguf_set_arr_data(metadata_.get(), "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types.data(), types.size());
    return *this;
  }

  // How far the weights are from zero: what is far says less of the same.
  RandomModelBuilder& spread(float deviation) {
    deviation_ = deviation;
    return *this;
  }

  [[nodiscard]] RandomModel build() {
    return RandomModel(
        llama_model_init_from_user(metadata_.get(), set_random_weights, &deviation_, llama_model_default_params()));
  }

 private:
  struct FreeMetadata {
    void operator()(gguf_context* metadata) const { gguf_free(metadata); }
  };

  static void set_random_weights(ggml_tensor* tensor, void* deviation) {
    std::string const name = tensor->name;
    std::mt19937 random(static_cast<unsigned>(std::hash<std::string>()(name)));
    std::normal_distribution<float> normal(0.0F, *static_cast<float const*>(deviation));
    // Mamba's state decays only where this is negative.
    bool const decays = name.find("ssm_a") != std::string::npos;
    std::vector<float> values(static_cast<std::size_t>(ggml_nelements(tensor)));
    for (float& value : values) {
      value = normal(random);
      if (decays && value > 0) value = -value;
    }
    ggml_backend_tensor_set(tensor, values.data(), 0, ggml_nbytes(tensor));
  }

  std::unique_ptr<gguf_context, FreeMetadata> metadata_;
  std::string architecture_;
  float deviation_ = 0.1F;
};

inline RandomModel make_random_mamba() {
  return RandomModelBuilder("mamba")
      .spread(0.5F)
      .count("ssm.conv_kernel", 4)
      .count("ssm.inner_size", 64)
      .count("ssm.state_size", 8)
      .count("ssm.time_step_rank", 4)
      .build();
}

// A layer of short convolutions, which keep a state, before one of attention; with a window, that slides.
inline RandomModel make_random_hybrid(std::uint32_t window = 0) {
  return RandomModelBuilder("lfm2")
      .spread(0.5F)
      .count("feed_forward_length", 64)
      .count("attention.head_count", 2)
      .counts("attention.head_count_kv", {0, 2})
      .count("shortconv.l_cache", 3)
      .count("attention.sliding_window", window)
      .build();
}

inline RandomModelBuilder random_llama() {
  RandomModelBuilder builder("llama");
  builder.count("feed_forward_length", 64)
      .count("attention.head_count", 2)
      .count("attention.head_count_kv", 2)
      .count("rope.dimension_count", 16);
  return builder;
}

inline RandomModel make_random_llama() {
  return random_llama().build();
}

inline RandomModel make_random_sliding_window(std::uint32_t window) {
  return RandomModelBuilder("gemma2")
      .count("feed_forward_length", 64)
      .count("attention.head_count", 2)
      .count("attention.head_count_kv", 2)
      .count("attention.sliding_window", window)
      .build();
}

}  // namespace copyspec_test
