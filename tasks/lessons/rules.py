"""The entries of the report's glossary, for each optimizer, schedule, average, loss and gradient rule: its rule, its
purpose, its source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One entry.

    Args:
        words: What it does, in a sentence or two.
        formulas: TeX. g is the gradient, w a weight, t the number of the step from 1. For a schedule: the factor of the
            learning rate at share t of the run, unless `words` says otherwise.
        source: The paper, or the Keras class.
    """

    words: str
    formulas: tuple[str, ...]
    source: str


SYMBOLS = {
    "learning_rate": "a",
    "momentum": "b",
    "rho": "ρ",
    "beta_1": "β₁",
    "beta_2": "β₂",
    "beta_3": "β₃",
    "epsilon": "ε",
    "weight_decay": "λ",
    "alpha": "α",
    "hyper_rate": "h",
    "decay_rate": "d",
    "eta": "η",
    "gamma": "γ",
    "decay_steps": "D",
    "power": "p",
    "cooldown": "c",
    "decay": "d",
    "last": "k",
}
"""Parameter to its symbol in the formulas."""

_ADAM_MOMENTS = r"m \leftarrow \beta_1 m + (1-\beta_1)\,g,\qquad v \leftarrow \beta_2 v + (1-\beta_2)\,g^2"
_ADAM_HAT = r"\hat m = \frac{m}{1-\beta_1^t},\qquad \hat v = \frac{v}{1-\beta_2^t}"
_ADAM_STEP = r"w \leftarrow w - a\,\frac{\hat m}{\sqrt{\hat v} + \epsilon}"

OPTIMIZER_RULES: dict[str, Rule] = {
    "sgd": Rule(
        "Plain descent: a step down the slope, in proportion to it.",
        (r"w \leftarrow w - a\,g",),
        "Robbins & Monro 1951",
    ),
    "momentum": Rule(
        "Keeps a share of the last step, so steps that agree add up and steps that change sign cancel.",
        (r"m \leftarrow b\,m - a\,g,\qquad w \leftarrow w + m",),
        "Polyak 1964",
    ),
    "nesterov": Rule(
        "Momentum that takes the coming step into account, and so brakes earlier.",
        (r"m \leftarrow b\,m - a\,g,\qquad w \leftarrow w + b\,m - a\,g",),
        "Nesterov 1983, as in Sutskever et al. 2013",
    ),
    "adagrad": Rule(
        "Divides each weight's step by the root of all its squared gradients so far: rare features keep long steps.",
        (r"s \leftarrow s + g^2,\qquad w \leftarrow w - \frac{a\,g}{\sqrt{s + \epsilon}}",),
        "Duchi et al. 2011",
    ),
    "adadelta": Rule(
        "Scales each step by the size of earlier steps over that of recent gradients. In the paper a is 1.",
        (
            r"s \leftarrow \rho s + (1-\rho)\,g^2,\qquad d = -\frac{\sqrt{u+\epsilon}}{\sqrt{s+\epsilon}}\,g",
            r"u \leftarrow \rho u + (1-\rho)\,d^2,\qquad w \leftarrow w + a\,d",
        ),
        "Zeiler 2012",
    ),
    "rmsprop": Rule(
        "Divides each weight's step by the size of its recent gradients; unlike Adagrad it forgets old ones.",
        (r"v \leftarrow \rho v + (1-\rho)\,g^2,\qquad w \leftarrow w - \frac{a\,g}{\sqrt{v + \epsilon}}",),
        "Tieleman & Hinton 2012",
    ),
    "adam": Rule(
        "Averages the gradient and its square, and divides the one by the root of the other: every weight's step is "
        "about a, whatever the scale of its gradient.",
        (_ADAM_MOMENTS, _ADAM_HAT, _ADAM_STEP),
        "Kingma & Ba 2015",
    ),
    "adamw": Rule(
        "Adam, and beside it every weight shrinks by a share in each step.",
        (r"w \leftarrow (1 - a\lambda)\,w", _ADAM_MOMENTS, _ADAM_HAT, _ADAM_STEP),
        "Loshchilov & Hutter 2019",
    ),
    "adamax": Rule(
        "Adam with the largest recent gradient in place of the mean square.",
        (
            r"m \leftarrow \beta_1 m + (1-\beta_1)\,g,\qquad u \leftarrow \max(\beta_2 u, |g|)",
            r"w \leftarrow w - \frac{a}{1-\beta_1^t}\,\frac{m}{u + \epsilon}",
        ),
        "Kingma & Ba 2015, section 7",
    ),
    "nadam": Rule(
        "Adam with Nesterov's look ahead; its momentum grows over the first steps.",
        (
            _ADAM_MOMENTS,
            r"\mu_t = \beta_1 \left(1 - \tfrac{1}{2}\,0.96^t\right)",
            r"\hat m = \frac{\mu_{t+1}\,m}{1 - \prod_{i \le t+1} \mu_i}"
            r" + \frac{(1-\mu_t)\,g}{1 - \prod_{i \le t} \mu_i},\qquad \hat v = \frac{v}{1-\beta_2^t}",
            _ADAM_STEP,
        ),
        "Dozat 2016",
    ),
    "lion": Rule(
        "Takes the sign alone of a mix of momentum and gradient: every weight moves by exactly a.",
        (
            r"w \leftarrow w - a\,\text{sign}(\beta_1 m + (1-\beta_1)\,g)",
            r"m \leftarrow \beta_2 m + (1-\beta_2)\,g",
        ),
        "Chen et al. 2023",
    ),
    "ftrl": Rule(
        "For sparse linear models: weights whose evidence stays below a limit are set to exactly 0. n and z are what "
        "it keeps, λ₁, λ₂ and β its strengths.",
        (
            r"z \leftarrow z + g - \frac{\sqrt{n+g^2}-\sqrt{n}}{a}\,w,\qquad n \leftarrow n + g^2",
            r"w \leftarrow \frac{\text{clip}(z, \pm\lambda_1) - z}{(\sqrt{n}+\beta)/a + 2\lambda_2}",
        ),
        "McMahan et al. 2013, algorithm 1",
    ),
    "nadamw": Rule(
        "AdamW that looks one momentum ahead, with a constant momentum.",
        (
            r"w \leftarrow (1 - a\lambda)\,w",
            _ADAM_MOMENTS,
            r"\hat m = \frac{\beta_1 m}{1-\beta_1^{t+1}} + \frac{(1-\beta_1)\,g}{1-\beta_1^t},\qquad "
            r"\hat v = \frac{v}{1-\beta_2^t}",
            _ADAM_STEP,
        ),
        "Dozat 2016; Loshchilov & Hutter 2019",
    ),
    "ademamix": Rule(
        "Adam with a second, much slower average of gradients, which remembers thousands of steps.",
        (
            _ADAM_MOMENTS,
            r"m_2 \leftarrow \beta_3 m_2 + (1-\beta_3)\,g",
            r"w \leftarrow w - a\,\frac{\hat m + \alpha\,m_2}{\sqrt{\hat v} + \epsilon}",
        ),
        "Pagliardini et al. 2024",
    ),
    "adan": Rule(
        "Nesterov's momentum from the change of the gradient, over Adam's scale. D is that change.",
        (
            r"m \leftarrow \beta_1 m + (1-\beta_1)\,g,\qquad u \leftarrow \beta_2 u + (1-\beta_2)\,D",
            r"n \leftarrow \beta_3 n + (1-\beta_3)\,(g + \beta_2 D)^2",
            r"w \leftarrow w - a\,\frac{\hat m + \beta_2 \hat u}{\sqrt{\hat n} + \epsilon}",
        ),
        "Xie et al. 2022, algorithm 1",
    ),
    "adopt": Rule(
        "Adam that scales a gradient by the second moment before it, and so converges with any β₂. The first step "
        "moves nothing.",
        (
            r"m \leftarrow \beta_1 m + (1-\beta_1)\,\text{clip}\left(\frac{g}{\max(\sqrt{v}, \epsilon)},"
            r" \pm (t-1)^{1/4}\right)",
            r"w \leftarrow w - a\,m,\qquad v \leftarrow \beta_2 v + (1-\beta_2)\,g^2",
        ),
        "Taniguchi et al. 2024, algorithm 2",
    ),
    "adabelief": Rule(
        "Adam scaled by how far gradients lie from their average: long steps where gradients agree.",
        (
            r"m \leftarrow \beta_1 m + (1-\beta_1)\,g,\qquad v \leftarrow \beta_2 v + (1-\beta_2)(g-m)^2 + \epsilon",
            _ADAM_HAT,
            _ADAM_STEP,
        ),
        "Zhuang et al. 2020",
    ),
    "radam": Rule(
        "Adam that mistrusts its scale while few gradients are behind it: at first plain momentum, then a rectified "
        "step.",
        (
            _ADAM_MOMENTS,
            r"\rho_\infty = \frac{2}{1-\beta_2} - 1,\qquad \rho = \rho_\infty - \frac{2 t \beta_2^t}{1-\beta_2^t}",
            r"w \leftarrow w - a\,\sqrt{\frac{(\rho-4)(\rho-2)\,\rho_\infty}{(\rho_\infty-4)(\rho_\infty-2)\,\rho}}\;"
            r"\frac{\hat m}{\sqrt{\hat v} + \epsilon}\;\;\text{if}\;\;\rho > 4,\;\;\text{else}\;\; w - a\,\hat m",
        ),
        "Liu et al. 2020, algorithm 2",
    ),
    "signum": Rule(
        "The sign of the averaged gradient: every weight moves by exactly a.",
        (r"m \leftarrow b\,m + (1-b)\,g,\qquad w \leftarrow w - a\,\text{sign}(m)",),
        "Bernstein et al. 2018, algorithm 2",
    ),
    "schedule_free_sgd": Rule(
        "Keeps the average x of all points z that it steps to, and looks at slopes between the two. x is what is "
        "evaluated and saved; no schedule has to end. c weighs each z by the square of its learning rate.",
        (
            r"y = (1-b)\,z + b\,x,\qquad z \leftarrow z - a\,(g(y) + \lambda y)",
            r"c = a_t^2 / \sum_{i \le t} a_i^2,\qquad x \leftarrow (1-c)\,x + c\,z",
        ),
        "Defazio et al. 2024",
    ),
    "schedule_free_adamw": Rule(
        "Schedule-Free descent whose steps are scaled as Adam's. x is what is evaluated and saved.",
        (
            r"y = (1-\beta_1)\,z + \beta_1 x,\qquad v \leftarrow \beta_2 v + (1-\beta_2)\,g(y)^2",
            r"a_t = a\sqrt{1-\beta_2^t},\qquad z \leftarrow z - a_t \frac{g(y)}{\sqrt{v} + \epsilon} - a_t \lambda y",
            r"c = a_t^2 / \sum_{i \le t} a_i^2,\qquad x \leftarrow (1-c)\,x + c\,z",
        ),
        "Defazio et al. 2024, algorithm 1",
    ),
    "muon": Rule(
        "Turns the momentum of a hidden layer's whole kernel, m by n, into an orthogonal matrix, so that a step moves "
        "all directions of the layer alike; biases and the output layer move as in AdamW.",
        (
            r"w \leftarrow (1 - a\lambda)\,w,\qquad M \leftarrow b\,M + g",
            r"U S V^\top = g + b\,M,\qquad w \leftarrow w - 0.2\,\sqrt{\max(m, n)}\;a\,U V^\top",
        ),
        "Jordan et al. 2024; Liu et al. 2025",
    ),
    "lamb": Rule(
        "AdamW whose step of a whole weight array is as long as a times the array itself: layers of large and of small "
        "weights move alike.",
        (
            _ADAM_MOMENTS,
            r"u = \frac{\hat m}{\sqrt{\hat v} + \epsilon} + \lambda w",
            r"w \leftarrow w - a\,\frac{\|w\|}{\|u\|}\,u",
        ),
        "You et al. 2020, algorithm 2",
    ),
    "adafactor": Rule(
        "Scales a matrix's gradient by means over its rows R, its columns C and all of it; a step is a share of the "
        "size of the weights. D is a limit of the step's size.",
        (
            r"v = R\,C / \text{mean}(R),\qquad u = g / \sqrt{v}",
            r"w \leftarrow w - \max(\epsilon_2, \text{rms}(w))\,\min(a, t^{-1/2})\,\frac{u}{\max(1, \text{rms}(u)/D)}",
        ),
        "Shazeer & Stern 2018, algorithms 4 to 6",
    ),
    "prodigy": Rule(
        "Adam that finds its own learning rate d: it grows as the weights are seen to move one way from the start. s "
        "is a weighted sum of gradients.",
        (
            r"m \leftarrow \beta_1 m + (1-\beta_1)\,d\,g,\qquad v \leftarrow \beta_2 v + (1-\beta_2)\,d^2 g^2",
            r"r \leftarrow \sqrt{\beta_2}\,r + (1-\sqrt{\beta_2})\,a d^2\,g \cdot (w_0 - w),\qquad "
            r"d \leftarrow \max(d, r / \|s\|_1)",
            r"w \leftarrow w - a\,d\,\frac{m}{\sqrt{v} + d\epsilon}",
        ),
        "Mishchenko & Defazio 2023, algorithm 4",
    ),
    "random_search": Rule(
        "Tries a random step and takes it if the loss is lower there: the baseline that gradients must beat.",
        (r"w \leftarrow w + a\,z \;\;\text{if}\;\; f(w + a\,z) < f(w),\qquad z \sim N(0, I)",),
        "Rastrigin 1963; Matyas 1965",
    ),
    "sgd_hd": Rule(
        "Descent whose learning rate descends too: it grows while steps agree and falls when they turn.",
        (r"a \leftarrow a + h\,g \cdot g_{\text{before}},\qquad w \leftarrow w - a\,g",),
        "Baydin et al. 2018, algorithm 4",
    ),
    "adam_hd": Rule(
        "Adam whose learning rate descends too. s is Adam's step.",
        (r"a \leftarrow a + h\,g \cdot s_{\text{before}},\qquad w \leftarrow w - a\,s",),
        "Baydin et al. 2018, algorithm 5",
    ),
    "cautious": Rule(
        "Of another optimizer's step only what goes down the present slope; weights that would go up stay. What is "
        "left is lengthened: d numbers are in a weight array, n of them move; u is "
        "the other's step.",
        (r"w \leftarrow w - \frac{d}{n + 1}\,u\,[\,u\,g > 0\,]",),
        "Liang et al. 2024, algorithm 1",
    ),
    "sam": Rule(
        "Another optimizer that follows the slope at the worst place nearby, a way r up the hill, and so ends where "
        "the loss is flat. Two slopes a step.",
        (r"g = f'\left(w + r\,\frac{f'(w)}{\|f'(w)\|}\right)",),
        "Foret et al. 2021, algorithm 1",
    ),
}

AVERAGING_RULES: dict[str, Rule] = {
    "ema": Rule(
        "Evaluates and saves a running average of the weights, which is calmer than the weights; training goes on from "
        "the weights. With decay d it looks back over about 1 / (1 - d) steps.",
        (r"\bar w \leftarrow d\,\bar w + (1-d)\,w",),
        "Polyak & Juditsky 1992",
    ),
    "swa": Rule(
        "Evaluates and saves the mean of the weights at the end of each epoch after the share start of them. n counts "
        "these ends.",
        (r"\bar w \leftarrow \bar w + (w - \bar w) / n",),
        "Izmailov et al. 2018",
    ),
    "lawa": Rule(
        "Evaluates and saves the mean of the weights at the ends of the last k epochs.",
        (r"\bar w = \frac{1}{k} \sum_{i=0}^{k-1} w_{e-i}",),
        "Kaddour 2022",
    ),
}

LOSS_RULES: dict[str, Rule] = {
    "squared_error": Rule(
        "Makes the squared error of the probabilities over the C classes smaller, where the true class is to have 1 "
        "and the others 0. A row that is sure and wrong hardly pulls: the slope of its probability is nearly 0 there.",
        (r"\frac{1}{C} \sum_c (p_c - y_c)^2",),
        "Brier 1950",
    ),
    "focal": Rule(
        "The cross-entropy of each row, times a factor that falls to 0 as the probability p of its true class rises: "
        "rows that are sure already count little, and steps follow the hard ones. At γ 0 it would be the "
        "cross-entropy.",
        (r"-(1-p)^\gamma \log p",),
        "Lin et al. 2017, equation 4",
    ),
}

GRADIENT_RULES: dict[str, Rule] = {
    "accumulation": Rule(
        "N steps make one update, by the mean of their gradients: the update of a batch N times as large, in the "
        "memory of one. The noise of the gradient falls as with a larger batch; updates are fewer by the factor N.",
        (r"g = \frac{1}{N} \sum_{i=1}^{N} g_i",),
        "Keras's gradient_accumulation_steps",
    ),
    "gradient_noise": Rule(
        "Adds a normal random number to each number of the gradient, after clipping. Its variance falls with the "
        "updates t, counted from 0: early steps may leave a poor place, later ones settle.",
        (r"g \leftarrow g + \mathcal{N}(0, \sigma_t^2)", r"\sigma_t^2 = \frac{\eta}{(1+t)^\gamma}"),
        "Neelakantan et al. 2015",
    ),
}

SCHEDULE_RULES: dict[str, Rule] = {
    "constant": Rule("The learning rate stays as it is.", (r"1",), "none"),
    "time_based": Rule(
        "Falls fast at first and ever more slowly. D is an epoch unless it is given.",
        (r"\frac{1}{1 + d\,\text{step} / D}",),
        "Robbins & Monro 1951; Keras's InverseTimeDecay",
    ),
    "step": Rule(
        "Falls in steps. D is a third of the run unless it is given.",
        (r"d^{\lfloor \text{step} / D \rfloor}",),
        "Keras's ExponentialDecay with staircase",
    ),
    "exponential": Rule(
        "Falls by the same factor in every epoch.", (r"d^{\,\text{step} / D}",), "Keras's ExponentialDecay"
    ),
    "polynomial": Rule(
        "Falls to a share α along a power.", (r"(1-\alpha)(1-t)^p + \alpha",), "Keras's PolynomialDecay"
    ),
    "cosine": Rule(
        "Falls along half a cosine: slowly at both ends.",
        (r"(1-\alpha)\,\tfrac{1}{2}\left(1 + \cos \pi t\right) + \alpha",),
        "Loshchilov & Hutter 2017, equation 5",
    ),
    "cosine_restarts": Rule(
        "A cosine that begins anew, each time for longer. t is the share of its period.",
        (r"(1-\alpha)\,\tfrac{1}{2}\left(1 + \cos \pi t\right) + \alpha",),
        "Loshchilov & Hutter 2017",
    ),
    "one_cycle": Rule(
        "Rises from a small share to the whole, then falls to almost nothing, both along half cosines.",
        (r"\text{start} \to 1 \to \text{end}",),
        "Smith & Topin 2018",
    ),
    "plateau": Rule(
        "Is multiplied by a factor whenever the validation loss has not fallen for a while; so it depends on the run.",
        (r"a \leftarrow \text{factor} \cdot a",),
        "Keras's ReduceLROnPlateau",
    ),
    "linear_to_zero": Rule("Falls in a straight line to 0.", (r"1 - t",), "Defazio et al. 2023"),
    "rex": Rule(
        "Stays high for longer than a straight line and reaches 0 with it.", (r"\frac{1-t}{1-t/2}",), "Chen et al. 2022"
    ),
    "wsd": Rule(
        "Stays as it is and falls to 0 over the last share c of the run. So a longer run has the same beginning.",
        (r"\min\left(1, \frac{1-t}{c}\right)",),
        "Hu et al. 2024; Hägele et al. 2024",
    ),
}
