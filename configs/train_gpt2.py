# GPT-2 (124M) on OpenWebText, as nanoGPT trains it: about 0.5M tokens a step, 300B in all.

batch_size = 12
block_size = 1024
gradient_accumulation_steps = 5 * 8

# 600k steps of 491,520 tokens; the learning rate reaches its minimum at the last one.
max_iters = 600000
lr_decay_iters = 600000

weight_decay = 1e-1

eval_interval = 1000
eval_iters = 200
log_interval = 10

wandb_log = True
wandb_project = 'owt'
wandb_run_name = 'gpt2-124M'
