# The losses of OpenAI's weights, GPT-2 medium (350M), on a dataset; trains nothing.

init_from = 'gpt2-medium'
eval_only = True
batch_size = 8
eval_iters = 500  # more batches than in training: the estimate is all there is
wandb_log = False
