# Carries OpenAI's largest GPT-2 on with Shakespeare's plays.
import time

out_dir = 'out-shakespeare'
dataset = 'shakespeare'
init_from = 'gpt2-xl'

eval_interval = 5
eval_iters = 40
always_save_checkpoint = False  # only the best: the text is small

wandb_log = False
wandb_project = 'shakespeare'
wandb_run_name = 'ft-' + str(time.time())

# 1 * 32 * 1024 = 32,768 tokens a step; the text has 301,966, so 20 steps read it about twice.
batch_size = 1
gradient_accumulation_steps = 32
max_iters = 20

learning_rate = 3e-5
decay_lr = False
