"""What Keras, PyTorch and scikit-learn call our arguments and attributes."""


def _rows(*rows: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return a table by word; each row begins with words that mean the same."""
    return {word: row[1:] for row in rows for word in row[0].split()}


_OUTPUTS = "net(x), which returns the outputs"
_NO_FREEZING = "steps of your own (net.gradients, optimizer.step): fit trains all layers"
_LAYERS = "fw.Network([inputs, ..., outputs])"
_STOPPING = "callbacks=fw.EarlyStopping(...)"
_CPUS = "nothing: a network runs on CPUs"
_LOAD, _SAVE = ("load", "fw.load(path)"), ("save", "net.save(path)")

_SIZES = (
    "hidden_layer_sizes layers layer_sizes hidden_sizes hidden units input_shape input_dim "
    "input_size"
)

# Of the names in a row, in their order, the first that the function or object has is meant; else
# what the last says, if that is no plain name. An argument of another function is written as
# `name=...`, with what is to be given if that says more.
ARGUMENTS = _rows(
    # building a network
    (_SIZES, "sizes", "the sizes as a list: Network([784, 16, 10])"),
    ("activations hidden_activation act", "activation", "activation=..."),
    ("output_activation final_activation", "output", "output=..."),
    ("seed random_state random_seed generator", "rng", "rng=..."),
    ("rng", "random_state"),
    ("n_jobs num_threads workers nthreads threads", "threads", "n", "threads=..."),
    ("device", f"{_CPUS} (threads=... of Network says on how many)"),
    ("map_location", _CPUS),
    # training
    ("learning_rate learning_rate_init eta", "lr", "optimizer=fw.Adam(lr=...)"),
    ("lr", "learning_rate_init", "current_lr", "optimizer=fw.Adam(lr=...)"),
    ("epochs", "max_iter"),
    ("n_epochs num_epochs nb_epoch max_iter max_epochs n_iter", "epochs", "epochs=..."),
    ("opt optim solver", "optimizer", "optimizer=..."),
    ("criterion loss_fn objective", "loss", "loss=..."),
    ("bs batch minibatch_size", "batch_size", "batch_size=..."),
    ("verbose verbosity disp", "progress", "nothing: this prints nothing"),
    ("validation val_data eval_set valid_data", "validation_data", "validation_data=..."),
    ("validation_fraction val_split", "validation_split", "validation_split=..."),
    ("sample_weights", "sample_weight", "sample_weight=..."),
    ("class_weights", "class_weight", "class_weight=..."),
    ("weight", "class_weight", "sample_weight", "weights"),
    ("early_stopping", _STOPPING),
    ("n_iter_no_change", "patience", _STOPPING),
    ("tol", "min_delta", "tolerance_change", _STOPPING),
    ("patience monitor restore_best", _STOPPING),
    ("restore_best_weights", "restore_best", _STOPPING),
    ("alpha", "l2", "weight_decay", "l2=..."),
    ("regularization kernel_regularizer", "l2", "l2=..."),
    ("weight_decay", "l2", "optimizer=fw.AdamW(weight_decay=...)"),
    ("wd", "weight_decay", "l2", "optimizer=fw.AdamW(weight_decay=...)"),
    ("clipnorm global_clipnorm gradient_clip_val max_norm", "clip_norm", "clip_norm=..."),
    ("clipvalue", "clip_value", "clip_value=..."),
    ("momentum", "optimizer=fw.SGD(momentum=...)"),
    ("nesterov", "optimizer=fw.SGD(nesterov=True, momentum=...)"),
    ("nesterovs_momentum", "nesterov", "optimizer=fw.SGD(nesterov=True, momentum=...)"),
    ("betas", "optimizer=fw.Adam(betas=(...))"),
    ("beta_1 beta_2 beta1 beta2", "betas", "optimizer=fw.Adam(betas=(...))"),
    ("rho", "alpha", "optimizer=fw.RMSprop(alpha=...)"),
    ("centered", "optimizer=fw.RMSprop(centered=True)"),
    ("eps", "optimizer=fw.Adam(eps=...)"),
    ("epsilon", "eps", "optimizer=fw.Adam(eps=...)"),
    ("decay", "schedule", "weight_decay"),
    ("lr_decay learning_rate_decay", "schedule", "optimizer=fw.Adam(schedule=...)"),
    ("schedule", "optimizer=fw.Adam(schedule=...)"),
    ("scheduler lr_scheduler lr_schedule", "schedule", "optimizer=fw.Adam(schedule=...)"),
    ("dropout_rate", "dropout", "dropout=..."),
    ("initial_epoch", "resume"),
    ("timeout", "max_time", "max_time=..."),
    ("decay_rate", "gamma"),
    ("decay_steps", "total_iters", "step_size", "T_max"),
    ("delta threshold", "min_delta"),
    ("grads grad", "gradients"),
    # what files and pictures take
    ("filepath filename fname file root", "path"),
    ("save_freq period every_n_epochs", "every"),
    ("axes axis", "ax"),
    ("cmap title figsize", "nothing: the Axes that is returned can be changed"),
    # using a network
    ("X inputs input features", "x"),
    ("y", "labels"),
    ("labels targets target y_true", "y"),
    ("training", "nothing: there are no modes, and dropout is for fit alone"),
)

ATTRIBUTES = _rows(
    ("MLP Sequential Model Module NeuralNetwork Dense Linear nn", "Network", _LAYERS),
    ("MLPClassifier", "featherweight.sklearn.MLPClassifier"),
    ("MLPRegressor", "featherweight.sklearn.MLPRegressor"),
    ("predict_proba predict_on_batch decision_function forward call", _OUTPUTS),
    ("predict_log_proba", "np.log(net(x))"),
    ("predict_classes", "predict"),
    ("transform", "activations"),
    ("get_weights coefs_ coef_ trainable_weights trainable_variables variables", "weights"),
    ("set_weights", "weights", "net.weights[i] = ..."),
    ("intercepts_ intercept_ bias", "biases"),
    (f"{_SIZES} n_layers n_layers_ output_shape output_dim", "sizes"),
    ("n_features_in_", "sizes", "net.sizes[0]"),
    (
        "get_params set_params",
        "sizes, activation and output, which are set when it is made, and parameters",
    ),
    ("state_dict", "parameters, weights and biases, or save(path)"),
    ("load_state_dict", "fw.load(path), or net.parameters[:] = ..."),
    ("named_parameters", "weights", "parameters"),
    ("num_params count_params num_parameters n_params n_parameters", "parameter_count"),
    ("classes_", "featherweight.sklearn.MLPClassifier, which has them"),
    ("load load_model load_weights", *_LOAD),
    ("save save_model save_weights", *_SAVE),
    ("copy clone", "copy.deepcopy of it"),
    ("train", "net.fit(x, y), which trains (there are no modes)"),
    ("eval", "nothing: there are no modes, and net.evaluate(x, y) measures"),
    ("train_on_batch", "partial_fit", "net.partial_fit(x, y)"),
    ("fit_generator", "fit", "net.fit(batches)"),
    ("compile", "fit, which takes optimizer, loss and metrics"),
    ("test test_on_batch", "evaluate"),
    ("zero_grad", "nothing: gradients are returned anew by net.gradients"),
    ("grad", "gradients"),
    ("to", f"{_CPUS} (dtype is given to Network)"),
    ("cuda cpu", _CPUS),
    ("trainable requires_grad freeze", _NO_FREEZING),
    ("stop_training should_stop", "a callback that returns True to stop"),
    ("loss_curve_", "net.history.loss"),
    ("n_iter_", "len(net.history.loss)"),
    ("param_groups", "lr and the other settings, which may be set"),
    ("history", 'to_dict(), or history["loss"]'),
    ("DataFrame", "to_pandas"),
    ("acc", "accuracy"),
    ("val_acc", "val_accuracy"),
    ("optimizers optim", "Adam, SGD, AdamW, RMSprop or LBFGS of the package itself"),
    ("lr_schedulers", "schedules"),
    ("ModelCheckpoint", "Checkpoint"),
    ("ReduceLROnPlateau", "fw.Adam(schedule=fw.schedules.ReduceLROnPlateau(...))"),
    ("LearningRateScheduler", "fw.Adam(schedule=...)"),
    (
        "callbacks",
        "EarlyStopping and Checkpoint (as Keras' ModelCheckpoint) of the package itself",
    ),
    ("to_categorical one_hot OneHotEncoder", "nothing: class labels are taken as they are"),
    ("datasets", "data"),
    ("data images_ image", "images"),
    ("target targets", "labels"),
    ("mnist MNIST load_mnist", "mnist", "fw.data.mnist()"),
    ("load_digits", "digits", "fw.data.digits()"),
    ("MSE MSELoss mse MeanSquaredError", 'loss="mse"'),
    (
        "CrossEntropy CrossEntropyLoss NLLLoss cross_entropy CategoricalCrossentropy "
        "SparseCategoricalCrossentropy",
        'loss="cross_entropy"',
    ),
    ("BCELoss BCEWithLogitsLoss BinaryCrossentropy bce", 'loss="binary_cross_entropy"'),
    ("HuberLoss SmoothL1Loss", "Huber", "fw.losses.Huber"),
    ("PoissonNLLLoss Poisson poisson", 'loss="poisson"'),
    (
        "MAE MAELoss L1Loss mae MeanAbsoluteError",
        "fw.losses.Quantile(0.5), which is half of it",
    ),
    ("set_threads", "set_num_threads"),
)

_NO_MODEL = "no parameters: fit gives the optimizer its network"
_NO_OPTIMIZER = "a schedule without an optimizer: fw.Adam(schedule=...)"
_RATE = "the rate in the optimizer: fw.Adam(lr=..., schedule=...)"
_STATE = "fw.Checkpoint(path) in fit, which keeps its state"
_ROWS = _rows(
    ("batch_size", "no batch size: any number of rows goes in at once, in blocks"),
    ("steps", "nothing: all rows are taken"),
)
_FIT = _rows(
    ("steps_per_epoch", "an iterable of batches as x"),
    ("validation_steps", "nothing: all validation rows are taken"),
    ("validation_batch_size", "nothing: any number of rows goes in at once"),
    ("validation_freq", "nothing: validation rows are measured after each epoch"),
    ("warm_start", "nothing: fit goes on from the weights that there are"),
)
_BOTH = (
    ("train test split subset", "nothing: both are returned, train and test"),
    ("return_X_y as_frame", "nothing: arrays are returned, train.images, train.labels and so on"),
    (
        "transform normalize flatten one_hot",
        "nothing: images are rows of uint8, which Network(..., input_scale=1/255) takes",
    ),
)
# What holds for one function alone, or for one kind of object.
SPECIAL = {
    "Network": _rows(
        (_SIZES, "the sizes of all layers in one list: Network([784, 16, 10])"),
        (
            "kernel_initializer bias_initializer weight_init",
            "nothing: initial weights depend on sizes, activations and rng",
        ),
        ("bias use_bias", "nothing: all layers have biases"),
    ),
    "predict": _ROWS,
    "score": _ROWS
    | _rows(
        ("sample_weight loss output_weights", "Network.evaluate, which takes it"),
    ),
    "evaluate": _ROWS | _rows(("return_dict", "nothing: a tuple is returned, (loss, score)")),
    "activations": _ROWS,
    "__call__": _ROWS,
    "gradients": _ROWS,
    "backward": _ROWS,
    "fit": _FIT,
    "partial_fit": _FIT | _rows(("epochs classes", "nothing: it is one epoch")),
    "fit_many": _FIT,
    "save": _rows(
        ("overwrite exist_ok force", "nothing: an older file is replaced"),
        ("include_optimizer", _STATE),
        ("format save_format", "nothing: the file is a safetensors file, whatever its name"),
    ),
    "load": _rows(
        (
            "compile custom_objects safe_mode weights_only strict",
            "nothing: a file holds numbers and names alone",
        )
    ),
    "mnist": _rows(
        *_BOTH, ("download", "nothing: without a path, files that are missing are downloaded")
    ),
    "digits": _rows(*_BOTH, ("download path root", "no arguments: they come with the package")),
    "Optimizer": _rows(
        ("params parameters model network net", _NO_MODEL),
        ("state_dict load_state_dict save", _STATE),
        ("amsgrad", "nothing: this variant of Adam is not there"),
    ),
    "EarlyStopping": _rows(
        ("baseline", "nothing: the first epoch's value is what the next are compared with"),
        ("start_from_epoch", "patience=..., which counts from the first epoch"),
    ),
    "Dataset": _rows(
        ("data images", "train.images or test.images"),
        ("target targets labels", "train.labels or test.labels"),
    ),
    "Schedule": _rows(
        ("optimizer", _NO_OPTIMIZER),
        ("lr learning_rate initial_learning_rate initial_lr base_lr eta", _RATE),
        ("alpha",),  # which isn't l2
        ("last_epoch initial_epoch step", "nothing: the optimizer counts the epochs"),
        ("get_last_lr", "history.lr, or current_lr of the optimizer"),
    ),
    "OneCycleLR": _rows(("epochs steps_per_epoch", "total_steps")),
    "CosineAnnealingLR": _rows(("min_lr", "eta_min")),
    "CosineAnnealingWarmRestarts": _rows(("min_lr", "eta_min")),
    "ReduceLROnPlateau": _rows(("min_delta", "threshold")),
    "LBFGS": _rows(
        ("lr learning_rate", "no learning rate: each step's length is searched for"),
        ("m maxcor", "history_size"),
    ),
    "Loss": _rows(
        ("alpha",),
        ("reduction size_average reduce", "nothing: it is the mean"),
        ("weight sample_weight", "sample_weight=..."),
        ("from_logits", "nothing: it takes the outputs as they are"),
    ),
    "Huber": _rows(("beta threshold", "delta")),
    "Quantile": _rows(("quantile alpha q tau", "level")),
    "Checkpoint": _rows(
        ("save_best_only monitor mode", "fw.EarlyStopping(restore_best=True) beside it"),
        ("save_weights_only", "nothing: all that training needs to go on is kept"),
    ),
    "step": _rows(("lr learning_rate", "the optimizer's own lr, which may be set")),
    "excite": _rows(
        ("lr learning_rate", "rate"),
        ("epochs iterations n_iter max_iter", "steps"),
        ("rng seed random_state", "nothing: it begins at start, and is the same each time"),
    ),
    "saliency": _rows(("target_class class_index", "target")),
    "learning_curves": _rows(("metric metrics", "measure")),
    "confusion_matrix": _rows(("display_labels class_names", "names")),
    "misread": _rows(("n n_images max_images", "most"), ("class_names", "names")),
    "Parameters": _rows(("copy", "a copy of each layer's: [w.copy() for w in net.weights]")),
}
# What the two estimators for scikit-learn call the arguments: of other tables none is theirs.
ESTIMATORS = _rows(
    (f"{_SIZES} sizes", "hidden_layer_sizes"),
    ("activations hidden_activation act", "activation"),
    ("final_activation output", "output_activation"),
    ("seed random_seed rng generator", "random_state"),
    ("n_jobs num_threads workers nthreads", "threads"),
    ("device", f"{_CPUS} (threads=... says on how many)"),
    ("lr eta", "learning_rate_init"),
    ("epochs n_epochs num_epochs nb_epoch max_epochs n_iter", "max_iter"),
    ("opt optim optimizer", "solver"),
    ("bs batch minibatch_size", "batch_size"),
    ("verbosity disp", "verbose"),
    ("validation_split val_split", "validation_fraction"),
    ("validation validation_data val_data eval_set valid_data", "fit(X, y, X_val=..., y_val=...)"),
    ("sample_weight sample_weights", "sample_weight", "fit(X, y, sample_weight=...)"),
    ("x inputs input features", "X", "fit(X, y)"),
    ("labels targets target y_true", "y", "target", "fit(X, y)"),
    ("criterion loss_fn objective loss", "loss", "nothing: the loss follows from the targets"),
    ("class_weights", "class_weight"),
    ("patience", "n_iter_no_change"),
    ("min_delta", "tol"),
    ("l2 regularization kernel_regularizer", "alpha"),
    ("wd", "weight_decay"),
    ("nesterov", "nesterovs_momentum"),
    ("betas beta1", "beta_1"),
    ("beta2", "beta_2"),
    ("eps", "epsilon"),
    ("decay scheduler lr_scheduler lr_schedule", "schedule"),
    ("dropout_rate", "dropout"),
    ("timeout", "max_time"),
)
ESTIMATOR_ATTRIBUTES = _rows(
    ("weights get_weights coef_ coefs", "coefs_"),
    ("biases bias intercept_ intercepts get_biases", "intercepts_"),
    ("set_weights", "coefs_", "coefs_ = [...]"),
    ("history", "history_"),
    ("loss_curve losses", "loss_curve_"),
    ("val_scores validation_scores", "validation_scores_"),
    ("n_iter epochs", "n_iter_"),
    ("classes", "classes_"),
    ("n_features", "n_features_in_"),
    ("feature_names", "feature_names_in_"),
    ("network net model model_ module_", "network_"),
    ("sizes layers", "network_.sizes"),
    ("parameters state_dict", "coefs_ and intercepts_, or save(path)"),
    ("load_state_dict", "coefs_ = [...] and intercepts_ = [...], or load(path)"),
    ("evaluate test", "score"),
    ("train train_on_batch", "fit, or partial_fit for one epoch"),
    ("decision_function forward call", "predict_proba", "predict"),
    ("activations", "transform"),
    ("gradients", "input_gradient"),
    ("save_model", "save"),
    ("load_model", "load"),
    ("copy", "clone of sklearn.base"),
    ("compile", "parameters, which are given to the class or to set_params"),
)
_ESTIMATOR_ROWS = _ROWS | _rows(
    ("verbose", "nothing: this prints nothing"),
    ("sample_weight", "fit(X, y, sample_weight=...), or score"),
)
# methods of the estimators, which have rows of their own
SPECIAL |= {
    "estimator.save": SPECIAL["save"],
    "estimator.load": SPECIAL["load"],
    "estimator.predict": _ESTIMATOR_ROWS,
    "estimator.predict_proba": _ESTIMATOR_ROWS,
    "estimator.predict_log_proba": _ESTIMATOR_ROWS,
    "estimator.transform": _ESTIMATOR_ROWS | _rows(("layers", "layer")),
    "estimator.score": _ESTIMATOR_ROWS,
    "estimator.partial_fit": _rows(
        ("epochs max_iter n_epochs", "nothing: it is one epoch, and fit takes max_iter of them"),
    ),
}
# by kind: what the first argument is called elsewhere, which here is none
FIRST = {"Optimizer": "params", "Schedule": "optimizer"}
