"""Every threshold of measuring and judging, with its source; docs/method.md explains them."""

CONFIDENCE = 0.95  # of every interval

# When warm-up and calls end (measurement/stopping.py)
WARMUP_WINDOW = 3  # calls that must agree; the published page warms up with 3
WARMUP_SPREAD = 0.02  # their largest over their smallest, less 1; Georges et al. 2007: 1 to 2% in steady state
TARGET = {"cuda": 0.005, "cpu": 0.02}  # half-width of the median's interval over the median; nvbench: 0.5%

# Intervals of rates and speed-ups, and verdicts (statistics/intervals.py)
SAME = 0.01  # criterion.rs' noise threshold
MOST_ROUNDS = 200  # more than these are not suggested
SHARED_CELLS = 8  # fewest cells with two pairs of rounds that share their variance
SHARED_DEGREES = 2  # degrees of freedom that the cells' mean variance counts as; tests/unit/test_pairs.py simulates it
WIDEST_INTERVAL = 2.0  # high divided by low; a wider interval means too few rounds, and is not printed

# Flags (statistics/flags.py)
TWO_SPEEDS = {4: 14, 5: 9, 6: 7, 8: 5}  # by rounds: the gap between two groups, in standard deviations within them
FEWEST_CALLS = 4  # with fewer calls, spread, outliers and drift of a run are not judged
TARGET_CALLS = 6  # with fewer calls, their median has no interval, so that no target can be reached
SPREAD = 0.10  # IQR over median; torch.utils.benchmark warns above it
DRIFT = 0.7  # Spearman's rank correlation of a call's latency with its number, if also
DRIFT_SIGNIFICANCE = 0.05  # the p-value of Kendall's tau is below this; it is exact for few calls, unlike Spearman's
OUTLIER, FAR_OUTLIER = 1.5, 3.0  # IQRs beyond the quartiles; Tukey 1977, criterion.rs: mild and severe
LOW_CLOCK = 0.75  # of the largest SM clock, nvbench's default clock; it discards a sample below it, we flag
LOW_CLOCK_SHARE = 0.05  # of the samples
HOT_C = 85  # degrees Celsius; data-centre GPUs slow down at 83 to 92
OTHER_CPU = 0.10  # of the CPU time of the machine, taken by other processes
LOW_CPU_CLOCK = 0.75  # of the median of the run's samples

# Badges of images (statistics/fidelity.py)
EQUIVALENT_PSNR_DB = 40.0  # a common convention for no visible difference
CLOSE_PSNR_DB = 30.0  # vllm-omni's limits for the same image, with
CLOSE_SSIM = 0.97  # this structural similarity (Wang et al. 2004)
