# A character-level GPT on the works of Shakespeare: minutes on a GPU. On a CPU take a smaller one,
# e.g. --device=cpu --n_layer=4 --n_head=4 --n_embd=128 --block_size=64 --batch_size=12 --dropout=0.

out_dir = 'out-shakespeare-char'
dataset = 'shakespeare_char'

# The text is small, so the model overfits: look often, keep the best.
eval_interval = 250
eval_iters = 200
log_interval = 10
always_save_checkpoint = False

wandb_log = False
wandb_project = 'shakespeare-char'
wandb_run_name = 'mini-gpt'

gradient_accumulation_steps = 1
batch_size = 64
block_size = 256  # characters of context

n_layer = 6
n_head = 6
n_embd = 384
dropout = 0.2

# A small model stands a higher rate than GPT-2.
learning_rate = 1e-3
max_iters = 5000
lr_decay_iters = 5000
min_lr = 1e-4
beta2 = 0.99  # steadier, as a step holds few tokens
warmup_iters = 100
