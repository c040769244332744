"""The merges that `tokenizers` learns: train_tokenizer.py TEXT VOCAB_SIZE MIN_FREQUENCY lines|whole OUT."""
import sys

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

text, vocab_size, min_frequency, how, out = sys.argv[1:]
tokenizer = tokenizers.Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trainer = trainers.BpeTrainer(vocab_size=int(vocab_size), min_frequency=int(min_frequency), show_progress=False,
                              special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
if how == "lines":
    tokenizer.train([text], trainer)
else:
    tokenizer.train_from_iterator([open(text, encoding="utf-8", newline="").read()], trainer)
tokenizer.model.save(out)
