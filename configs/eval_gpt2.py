# The losses of OpenAI's weights, the smallest GPT-2 (124M), on a dataset; trains nothing.

init_from = 'gpt2'
eval_only = True
batch_size = 8
eval_iters = 500  # more batches than in training: the estimate is all there is
wandb_log = False
