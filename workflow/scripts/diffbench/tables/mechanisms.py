"""The lines of Python of each mechanism of a variant: functions of a recipe's Code and the setting of config/variants.yaml."""

import json

ATTENTION = {
    "default": "set_default_attn_processor",
    "fused": "fuse_qkv_projections",
    "xformers": "enable_xformers_memory_efficient_attention",
}
KERNELS = {
    "flash": "FLASH_ATTENTION",
    "efficient": "EFFICIENT_ATTENTION",
    "cudnn": "CUDNN_ATTENTION",
    "math": "MATH",
}
OFFLOADING = {"model": "enable_model_cpu_offload", "sequential": "enable_sequential_cpu_offload"}
TIMED = ("FasterCacheConfig", "PyramidAttentionBroadcastConfig")  # caches that ask for the pipeline's timestep


def literal(value):
    """A value of a catalogue as Python."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def arguments(*first, **options):
    """What stands between the brackets of a call."""
    return ", ".join([*first, *(f"{name}={literal(value)}" for name, value in options.items())])


def replace_scheduler(code, setting):
    name = code.use(setting["class"])
    code.add(f"pipe.scheduler = {name}.from_config({arguments('pipe.scheduler.config', **setting.get('config', {}))})")


def set_attention(code, setting):
    code.add(*(f"{module}.{ATTENTION[setting]}()" for module in code.modules()))


def set_attention_backend(code, setting):
    code.add(*(f"{module}.set_attention_backend({literal(setting)})" for module in code.modules()))


def set_sdpa_backend(code, setting):
    """A context around the modules alone: the VAE's heads may be too wide for the kernel."""
    kernel = (
        f"{code.use('torch.nn.attention.sdpa_kernel')}({code.use('torch.nn.attention.SDPBackend')}.{KERNELS[setting]})"
    )
    code.add(*(f"{module}.forward = {kernel}({module}.forward)" for module in code.modules()))


def set_memory_format(code, setting):
    if setting == "contiguous":
        code.add(*(f"{module}.to(memory_format=torch.contiguous_format)" for module in code.modules()))
        return
    code.add(
        "layouts = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the dimensions of a weight",
        f"for weight in {code.every('parameters')}:",
        "    if weight.dim() in layouts:",
        "        weight.data = weight.data.to(memory_format=layouts[weight.dim()])",
    )


def quantize(code, setting):
    (quantize_by_torchao if setting["library"] == "torchao" else quantize_by_bitsandbytes)(code, setting)


def quantize_by_torchao(code, setting):
    function, config = (code.use(f"torchao.quantization.{name}") for name in ("quantize_", setting["config"]))
    options = arguments(**setting.get("options", {}))
    code.add(*(f"{function}({module}, {config}({options}))" for module in code.modules()))


def quantize_by_bitsandbytes(code, setting):
    sizes = "layer.in_features", "layer.out_features", "bias=layer.bias is not None"
    made = f"{code.use('bitsandbytes.nn.' + setting['layer'])}({arguments(*sizes, **setting.get('options', {}))})"
    code.add(
        f"for parent in {code.every('modules')}:",
        "    for name, layer in list(parent.named_children()):",
        "        if type(layer) is torch.nn.Linear:",
        f"            quantized = {made}",
        "            quantized.load_state_dict(layer.state_dict())",
        f"            setattr(parent, name, quantized.to({literal(code.device)}).eval())",
    )


def enable_caching(code, setting):
    timed = ["current_timestep_callback=lambda: pipe.current_timestep"] * (setting["config"] in TIMED)
    options = ", ".join(filter(None, [arguments(**setting.get("options", {})), *timed]))
    code.add(f"{code.modules()[0]}.enable_cache({code.use(setting['config'])}({options}))")


def save_vae_memory(code, setting):
    code.add(f"pipe.vae.enable_{setting}()")


def offload(code, setting):
    code.add(f"pipe.{OFFLOADING[setting]}(device={literal(code.device)})")


def enable_inference_mode(code, setting):
    code.contexts.append(f"torch.{setting}()")


def compile_blocks(code, setting):
    """`blocks` of the catalogue join those that the class names itself."""
    options = {key: value for key, value in setting.items() if key != "by"}
    for module in code.modules():
        if setting.get("by") == "accelerate":
            code.add(f"{module} = {code.use('accelerate.utils.compile_regions')}({arguments(module, **options)})")
            continue
        if code.stage.get("blocks"):
            blocks = ", ".join(map(literal, code.stage["blocks"]))
            code.add(f"{module}._repeated_blocks = [*({module}._repeated_blocks or []), {blocks}]")
        code.add(f"{module}.compile_repeated_blocks({arguments(**options)})")


def compile_denoiser(code, setting):
    code.add(*(f"{module} = torch.compile({arguments(module, **setting)})" for module in code.modules()))


def compile_vae(code, setting):
    code.add(f"pipe.vae.decoder = torch.compile({arguments('pipe.vae.decoder', **setting)})")


def compile_text_encoders(code, setting):
    code.add(
        'for name in ("text_encoder", "text_encoder_2", "text_encoder_3"):',
        "    if getattr(pipe, name, None) is not None:",
        f"        setattr(pipe, name, torch.compile({arguments('getattr(pipe, name)', **setting)}))",
    )


def capture_graphs(code, setting):
    function, space = code.use("diffbench.mechanisms.cuda_graph.capture_graphs"), code.use("types.SimpleNamespace")
    denoiser = code.stage["modules"][0]
    code.add(
        "# diffbench's own: workflow/scripts must be on PYTHONPATH",
        f"modules = {{{literal(denoiser)}: pipe.{denoiser}}}",
        f"{function}({space}(device=torch.device({literal(code.device)}), modules=lambda: modules, checks=[]), True)",
    )


MECHANISMS = {  # in the order in which measurement/variant.py applies them
    "scheduler": replace_scheduler,
    "attention": set_attention,
    "attention_backend": set_attention_backend,
    "sdpa_backend": set_sdpa_backend,
    "memory_format": set_memory_format,
    "quantization": quantize,
    "caching": enable_caching,
    "vae": save_vae_memory,
    "offload": offload,
    "regional": compile_blocks,
    "compile": compile_denoiser,
    "compile_vae": compile_vae,
    "compile_text_encoder": compile_text_encoders,
    "cuda_graph": capture_graphs,
    "grad": enable_inference_mode,
}
