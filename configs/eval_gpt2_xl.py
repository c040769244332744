# The losses of OpenAI's weights, the largest GPT-2 (1558M), on a dataset; trains nothing.

init_from = 'gpt2-xl'
eval_only = True
batch_size = 8
eval_iters = 500  # more batches than in training: the estimate is all there is
wandb_log = False
