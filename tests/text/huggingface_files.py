"""Has transformers write GPT-2's tokenizer: huggingface_files.py IN_DIR OUT_DIR.

IN_DIR holds vocab.json and merges.txt.
"""
import sys

import transformers

folder, out = sys.argv[1:]
transformers.GPT2TokenizerFast(
    vocab=f"{folder}/vocab.json", merges=f"{folder}/merges.txt").save_pretrained(out)
