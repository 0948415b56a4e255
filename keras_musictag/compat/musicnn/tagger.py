"""`top_tags` of the original package: the tags of a whole file."""

from keras_musictag.compat.musicnn.extractor import extractor


def top_tags(
    file_name,
    model="MTT_musicnn",
    topN=3,
    input_length=3,
    input_overlap=False,
    print_tags=True,
    save_tags=False,
) -> list[str]:
    """Name the tags that fit a music file best.

    Args:
        file_name: Path of the file.
        model: `"MTT_musicnn"`, `"MTT_vgg"`, `"MSD_musicnn"` or `"MSD_vgg"`.
        topN: How many tags.
        input_length, input_overlap: As in `extractor`.
        print_tags: Whether to print them.
        save_tags: Path of a text file to append a line to: file, model, settings
            and tags, separated by commas. `False` for none.

    Returns:
        List of `topN` tags, best first.

    Raises:
        ValueError, AudioError: As in `extractor`.

    Example:

    ```python
    import keras_musictag as kmt
    from keras_musictag.compat.musicnn import top_tags

    top_tags(str(kmt.audio.demo_path()), model="MSD_musicnn", topN=5)
    ```
    """
    taggram, labels = extractor(
        file_name, model, input_length, input_overlap, extract_features=False
    )
    # Of equal scores the later tag comes first, as in the original.
    order = taggram.mean(axis=0).argsort(kind="stable")[-topN:][::-1]
    tags = [labels[index] for index in order]
    if print_tags:
        print(f"[{file_name}] Top{topN} tags: ")
        print("".join(f" - {tag}\n" for tag in tags), end="")
    if save_tags:
        settings = f"input_length={input_length},input_overlap={input_overlap}"
        with open(save_tags, "a", encoding="utf-8") as file:
            file.write(",".join([str(file_name), model, settings, *tags]) + "\n")
    return tags
