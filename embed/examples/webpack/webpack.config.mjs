import HtmlWebpackPlugin from 'html-webpack-plugin';

export default {
    mode: 'production',
    entry: './src/main.js',
    output: { clean: true, publicPath: 'auto' },
    // The worker is one large file, so webpack's size warnings do not help.
    performance: { hints: false },
    plugins: [new HtmlWebpackPlugin({ template: './src/index.html' })],
};
